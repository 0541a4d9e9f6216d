"""A missing package is told with the extra that brings it; a missing module of ours is not."""

import pytest

from zkmq import extras


def test_a_missing_package_is_named_with_its_extra() -> None:
    """The sentence names the package that `pip` knows, not the module inside of it."""
    missing = ModuleNotFoundError("no", name="uvicorn.config")
    assert extras.told("zkmq gateway", missing, "zkmq[rest]") == (
        "zkmq gateway: it needs uvicorn: pip install 'zkmq[rest]'"
    )


@pytest.mark.parametrize("name", ["zkmq.cli.gone", "harness.gone", "cluster"])
def test_a_missing_module_of_ours_is_a_defect(name: str) -> None:
    """No extra would bring it, so the error stays what it is."""
    with pytest.raises(ModuleNotFoundError):
        extras.told("harness", ModuleNotFoundError("no", name=name), "zkmq[harness]")
