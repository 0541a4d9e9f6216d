"""The example of docs/testing-your-own-client.md, as it stands there."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
PAGE = Path(__file__).parents[2] / "docs" / "testing-your-own-client.md"
MOST_LINES = 15


def example() -> str:
    """Return the page's one Python block."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(block)


def test_the_example_is_short() -> None:
    """It takes no more than fifteen lines to test one's own client against a real quorum."""
    assert len([line for line in example().splitlines() if line]) <= MOST_LINES


@pytest.mark.docker
def test_the_example_passes(pytester: pytest.Pytester) -> None:
    """The example, copied into a file of its own, passes on a real quorum."""
    pytester.makepyfile(test_config=example())
    result = pytester.runpytest_subprocess("-p", "harness.pytest_plugin", timeout=200)
    result.assert_outcomes(passed=1)
