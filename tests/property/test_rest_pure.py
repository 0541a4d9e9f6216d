"""Properties of the gateway's pure parts: paths, negotiation, representations, properties files."""

import json
from urllib.parse import quote
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from kazoo.protocol.states import ZnodeStat

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import ANSWERS, negotiate
from zkmq.rest.http.preconditions import etag, if_match, if_none_match
from zkmq.rest.http.representations import stat_with_data, to_json, to_jsonp, to_xml
from zkmq.rest.http.request_target import Query, decode_path
from zkmq.rest.upstream.properties_file import parse

# What ZooKeeper's documentation allows in a name.
NAME_CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc", "Co"], max_codepoint=0xFFEF, exclude_characters="/"
)
NAMES = st.text(NAME_CHARACTERS, min_size=1, max_size=10).filter(lambda n: n not in (".", ".."))
ANYTHING = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
INT64 = st.integers(-(2**63), 2**63 - 1)
STATS = st.builds(ZnodeStat, *[INT64] * 11)


@given(st.lists(NAMES, max_size=4))
def test_paths_round_trip(names: list[str]) -> None:
    """1.3: any path ZooKeeper allows is read back from its percent-encoding."""
    path = "/" + "/".join(names)
    assert decode_path(quote(path)) == path


@given(ANYTHING)
def test_paths_are_safe(raw: str) -> None:
    """1.4: whatever is sent, what comes out is a path that stays below its root, or 400."""
    try:
        path = decode_path("/" + raw)
    except HttpError as error:
        if error.status != 400:
            raise
        return
    segments = path[1:].split("/") if path != "/" else []
    assert not {"", ".", ".."} & set(segments)
    assert all(ord(c) >= 0x20 and not 0xD800 <= ord(c) <= 0xF8FF for c in path)


@given(st.dictionaries(NAMES, st.text(NAME_CHARACTERS), max_size=5))
def test_queries_round_trip(parameters: dict[str, str]) -> None:
    """1.3: query values are read back, with spaces as plus or %20."""
    for space in ("+", "%20"):
        text = "&".join(
            f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parameters.items()
        ).replace("%20", space)
        query = Query(text)
        assert {name: query.get(name) for name in parameters} == parameters


@given(ANYTHING)
def test_negotiation_is_total(accept: str) -> None:
    """2.1: any Accept header has an answer, one that is offered, or none."""
    assert negotiate(accept) in (None, *ANSWERS)


@given(st.permutations(ANSWERS), st.lists(st.integers(1, 9), min_size=4, max_size=4, unique=True))
def test_negotiation_obeys_quality(order: list[str], qualities: list[int]) -> None:
    """2.1: the type with the highest quality wins, wherever it stands."""
    header = ", ".join(f"{m};q=0.{q}" for m, q in zip(order, qualities, strict=True))
    assert negotiate(header) == max(zip(qualities, order, strict=True))[1]


@given(STATS, st.none() | st.binary(max_size=50), st.booleans())
def test_formats_agree(stat: ZnodeStat, data: bytes | None, as_text: bool) -> None:  # noqa: FBT001
    """3: JSON, JSONP and XML say the same, and each is well-formed."""
    fields = stat_with_data("/a", "http://h/", stat, data, as_text=as_text)
    assert json.loads(to_json(fields)) == fields
    assert json.loads(to_jsonp(fields, "f")[2:-1]) == fields
    root = ET.fromstring(to_xml("stat", fields))  # noqa: S314
    assert [element.tag for element in root] == list(fields)
    numbers = {e.tag: int(e.text or "") for e in root if isinstance(fields[e.tag], int)}
    assert numbers == {k: v for k, v in fields.items() if isinstance(v, int)}


@given(st.text(max_size=20))
def test_xml_holds_any_text(text: str) -> None:
    """3.1: any text makes well-formed XML of the same length, as far as XML can hold it."""
    element = ET.fromstring(to_xml("r", {"t": text})).find("t")  # noqa: S314
    assert element is not None
    kept = element.text or ""
    assert len(kept) == len(text)
    assert all(b in (a, "\ufffd") for a, b in zip(text, kept, strict=True) if a.isprintable())


@given(STATS, STATS)
def test_tags(one: ZnodeStat, other: ZnodeStat) -> None:
    """9: a tag matches its own state, and another only if nothing was set in between."""
    assert if_match(etag(one), one)
    assert not if_none_match(etag(one), one)
    same = (one.mzxid, one.version) == (other.mzxid, other.version)
    assert if_match(etag(one), other) is same


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=5))
def test_properties_round_trip(properties: dict[str, str]) -> None:
    """7: a file with every character escaped, as Java may write it, is read back."""

    def escaped(text: str) -> str:
        units = text.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    text = "\n".join(f"{escaped(k)}={escaped(v)}" for k, v in properties.items())
    assert parse(text) == properties
