"""Files of others that stand in this repository."""

import hashlib
import importlib.resources

import pytest

# As the npm package uplot 1.6.32 has them: docs/adr/0009-uplot.md.
DIGESTS = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
VENDOR = importlib.resources.files("harness.report") / "vendor"


def test_nothing_else_is_vendored() -> None:
    """Whatever comes from elsewhere has its digest here."""
    assert {file.name for file in VENDOR.iterdir()} == set(DIGESTS)


@pytest.mark.parametrize("name", DIGESTS)
def test_it_is_what_its_package_has(name: str) -> None:
    """A file that somebody changed by hand is found."""
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == DIGESTS[name]
