"""Content negotiation."""

import pytest

from zkmq.rest.http.negotiation import JSON, JSONP, OCTETS, XML, negotiate, takes_json, takes_octets


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        (" ", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        ("APPLICATION/XML", XML),
        ("application/xml;charset=utf-8", XML),
        ("application/json;q=0.5,application/xml", XML),
        ("application/xml,application/json", XML),
        ("*/*,application/xml", XML),
        ("*/*;q=1,application/xml;q=0.9", JSON),
        ("application/json;q=0,*/*", JSONP),
        ("application/*;q=0,application/octet-stream", OCTETS),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", XML),
        ("text/html, image/gif, *; q=.2, */*; q=.2", JSON),
        ("junk,application/xml", XML),
        ("application/xml;q=junk,application/json;q=0.1", JSON),
        ("text/html", None),
        ("text/xml", None),
        ("*/*;q=0", None),
        ("application/json;q=1.1", None),
        ("application/json;q=-1", None),
        (",,;", None),
        ("\xff", None),
    ],
)
def test_negotiate(accept: str | None, media: str | None) -> None:
    """2.1: quality first, then the explicit name, then the client's order, then ours."""
    assert negotiate(accept) == media


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [(None, True), ("", True), (OCTETS, True), ("Application/OCTET-stream ; a=b", True),
     (JSON, False), ("application", False), ("/", False), (f"{OCTETS},{OCTETS}", False)],
)  # fmt: skip
def test_takes_octets(content_type: str | None, taken: bool) -> None:  # noqa: FBT001
    """2.2: octets or nothing."""
    assert takes_octets(content_type) is taken


def test_takes_json() -> None:
    """9: transactions are JSON or unnamed."""
    assert [takes_json(t) for t in (None, JSON, "application/json; a=b", OCTETS)] == [
        True, True, True, False]  # fmt: skip
