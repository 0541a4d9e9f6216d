"""The envelope around a payload."""

import pytest

from zkmq.tree import envelope


@pytest.mark.parametrize("header", [{}, {"deliveries": 2, "of-a-later-version": [1]}])
@pytest.mark.parametrize("payload", [b"", b"text\nwith lines", b"\x00\xff", b"ZKMQ1 {}\nnested"])
def test_what_is_wrapped_comes_out(header: envelope.Header, payload: bytes) -> None:
    """Header and payload come back as they were, keys of other versions too."""
    assert envelope.unwrap(envelope.wrap(payload, header)) == (header, payload)


@pytest.mark.parametrize(
    "data", [b"", b"plain", b"ZKMQ1 no json\nrest", b"ZKMQ1 [1]\nrest", b"ZKMQ2 {}\n"]
)
def test_data_without_a_header_is_all_payload(data: bytes) -> None:
    """What the original or a REST client put is the payload, unchanged."""
    assert envelope.unwrap(data) == ({}, data)
