"""StoredZnode paths and query parameters from request targets."""

import pytest

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.request_target import Query, check_path, child_path, decode_path


@pytest.mark.parametrize(
    ("raw", "path"),
    [("/", "/"), ("/a", "/a"), ("/a%20b", "/a b"), ("/a+b", "/a+b"), ("/%C3%A9", "/é"),
     ("/%252F", "/%2F"), ("/a;b=c", "/a;b=c"), ("/...", "/..."), ("/a%5Cb", "/a\\b")],
)  # fmt: skip
def test_decodes_once(raw: str, path: str) -> None:
    """1.3: percent-decoding happens once, as UTF-8, and plus stays plus."""
    assert decode_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    ["", "a", "//", "/a//b", "/a/", "/.", "/..", "/a/%2e%2e", "/a%2fb", "/%00", "/%1f", "/%7f",
     "/%c2%80", "/%ee%80%80", "/%ef%bf%bf", "/%f0%9f%98%80", "/%ff", "/%c0%ae", "/%ed%a0%80",
     "/%", "/%4", "/%zz", "/%u0041"],
)  # fmt: skip
def test_refuses(raw: str) -> None:
    """1.4: what ZooKeeper or UTF-8 would not take is 400."""
    with pytest.raises(HttpError) as caught:
        decode_path(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize("character", ["\ud7ff", "\uf900", "\uffef", "\xa0", "\u2028"])
def test_borders_of_the_forbidden(character: str) -> None:
    """1.4: characters next to the forbidden ranges are allowed."""
    assert check_path(f"/{character}") == f"/{character}"


@pytest.mark.parametrize(
    ("parent", "name", "path"), [("/", "a", "/a"), ("/p", "a", "/p/a"), ("/p", "", "/p/")]
)
def test_child_path(parent: str, name: str, path: str) -> None:
    """A child of the root has one slash, like any other."""
    assert child_path(parent, name) == path


class TestQuery:
    """1.3: query parameters."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [("a=b", "b"), ("a=b+c", "b c"), ("a=%2B", "+"), ("a=1&a=2", "1"), ("a", ""), ("a=", ""),
         ("", None), ("b=1", None), ("%61=x", "x"), ("a=b=c", "b=c"), ("&&a=1", "1")],
    )  # fmt: skip
    def test_get(self, text: str, value: str | None) -> None:
        """Values are form-decoded, and the first of a name counts."""
        assert Query(text).get("a") == value

    @pytest.mark.parametrize("text", ["a=%", "a=%zz", "a=%ff"])
    def test_broken(self, text: str) -> None:
        """A value that cannot be decoded is 400 when asked for, and harmless when not."""
        query = Query(text)
        assert query.get("b") is None
        with pytest.raises(HttpError):
            query.get("a")

    @pytest.mark.parametrize(
        ("text", "value"),
        [("0", 0), ("-1", -1), ("%2B7", 7), ("007", 7), ("2147483647", 2**31 - 1)],
    )
    def test_integer(self, text: str, value: int) -> None:
        """4.3: a 32-bit decimal integer."""
        assert Query(f"v={text}").integer("v", 5, "/a") == value

    @pytest.mark.parametrize(
        "text", ["", "a", "1.0", "1e3", "0x1", "+1", "--1", "2147483648", "9" * 5000, "%D9%A1"]
    )
    def test_no_integer(self, text: str) -> None:
        """4.3: anything else is 400, and named."""
        with pytest.raises(HttpError, match="/a bad v"):
            Query(f"v={text}").integer("v", 5, "/a")

    @pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e1", "", "61", "1_0"])
    def test_no_seconds(self, text: str) -> None:
        """A time is a plain decimal number within its limit."""
        with pytest.raises(HttpError):
            Query(f"wait={text}").seconds("wait", 1, most=60)

    def test_defaults(self) -> None:
        """What is not there has its default."""
        query = Query("")
        assert query.integer("v", -1, "/a") == -1
        assert query.seconds("wait", 2.5, most=60) == 2.5
        assert not query.flag("null")
        assert Query("null=true").flag("null")
        assert not Query("null=TRUE").flag("null")
