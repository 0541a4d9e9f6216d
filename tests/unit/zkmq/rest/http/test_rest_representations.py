"""What answers look like, without a server."""

import json
from xml.etree import ElementTree as ET

import pytest
from kazoo.protocol.states import ZnodeStat

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import JSON, JSONP, XML
from zkmq.rest.http.preconditions import etag, if_match, if_none_match
from zkmq.rest.http.representations import (
    check_callback,
    child_of,
    one_line,
    render,
    stat_with_data,
    to_json,
    to_jsonp,
    to_xml,
)
from zkmq.rest.resources.wadl import document

STAT = ZnodeStat(7, 9, 10, 11, 1, 2, 3, 0x100000000000001, 5, 0, 8)


def test_stat() -> None:
    """3.1: the example of the contract, key by key, with exact 64-bit numbers."""
    fields = stat_with_data("/p", "http://h/znodes/v1/p", STAT, b"hello", as_text=False)
    assert to_json(fields) == (
        b'{"path":"/p","uri":"http://h/znodes/v1/p","data64":"aGVsbG8=","czxid":7,"mzxid":9,'
        b'"ctime":10,"mtime":11,"version":1,"cversion":2,"aversion":3,'
        b'"ephemeralOwner":72057594037927937,"dataLength":5,"numChildren":0,"pzxid":8}'
    )


def test_null_has_no_key() -> None:
    """3.1: null data has neither data key."""
    for as_text in (True, False):
        fields = stat_with_data("/p", "u", STAT, None, as_text=as_text)
        assert not {"data64", "dataUtf8"} & set(fields)


def test_child_of_root() -> None:
    """3.2: the template of the root has one slash."""
    assert child_of("/", "http://h/znodes/v1/", [])["child_uri_template"] == (
        "http://h/znodes/v1/{child}"
    )


@pytest.mark.parametrize("text", ["\x00", "\x0b", "\ufffe", "\ud800", "]]>", "&<>\"'", "\r\n\t"])
def test_xml_is_well_formed(text: str) -> None:
    """3.1: whatever the text, XML stays well-formed and keeps what it can hold."""
    element = ET.fromstring(to_xml("stat", {"dataUtf8": text})).find("dataUtf8")  # noqa: S314
    assert element is not None
    kept = "" if element.text is None else element.text
    assert kept == (text if text.isprintable() or text == "\r\n\t" else kept)
    assert len(kept) == len(text)


def test_lists_in_xml() -> None:
    """3.2: children are `<child>`, none are an empty element."""
    assert b"<children><child>a</child><child>b</child></children>" in to_xml(
        "child", {"children": ["a", "b"]}
    )
    assert b"<children/>" in to_xml("child", {"children": []})


def test_jsonp_has_no_line_separators() -> None:
    """2.4: U+2028, a line end in JavaScript, is escaped."""
    body = to_jsonp({"a": "\u2028é"}, "f")
    assert body == b'f({"a":"\\u2028\\u00e9"})'


@pytest.mark.parametrize("name", ["", "a.b", "a b", "é", "a\n", "x" * 3 + "()"])
def test_bad_callbacks(name: str) -> None:
    """2.4: only ASCII letters, digits and underscores."""
    with pytest.raises(HttpError):
        check_callback(name)
    assert check_callback(None) == "callback"
    assert check_callback("_a9") == "_a9"


def test_render() -> None:
    """3.5: the format decides."""
    fields = {"a": 1}
    assert json.loads(render("r", fields, JSON, "f")) == fields
    assert render("r", fields, JSONP, "f").startswith(b"f(")
    assert render("r", fields, XML, "f").endswith(b"<r><a>1</a></r>")


def test_one_line() -> None:
    """3.6: a message is one line, whatever it quotes."""
    assert one_line("a\r\nb\x00c") == "a  b c"


class TestTags:
    """9: ETag conditions."""

    def test_tag(self) -> None:
        """The tag is mzxid and version."""
        assert etag(STAT) == '"9-1"'

    @pytest.mark.parametrize(
        ("header", "strong", "weak"),
        [('"9-1"', True, True), ('"1-1", "9-1"', True, True), ('W/"9-1"', False, True),
         ('"9-2"', False, False), ("9-1", False, False), ("*", True, True), ("", False, False)],
    )  # fmt: skip
    def test_matching(self, header: str, strong: bool, weak: bool) -> None:  # noqa: FBT001
        """If-Match compares strongly, If-None-Match weakly."""
        assert if_match(header, STAT) is strong
        assert if_none_match(header, STAT) is not weak


def test_wadl_escapes_its_base() -> None:
    """7: a base with quotes and ampersands stays XML."""
    ET.fromstring(document('http://h/"&<'))  # noqa: S314
