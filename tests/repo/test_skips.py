"""A test that did not run has shown nothing: CI must not take a skip for a success."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]
SKIPS = """
import pytest

def test_of_a_tool_that_is_missing():
    pytest.skip("expected the tool, got none")

@pytest.fixture
def tool():
    pytest.skip("expected another tool, got none")

def test_of_a_fixture(tool):
    pass

@pytest.mark.xfail(reason="a known defect")
def test_that_is_expected_to_fail():
    raise AssertionError
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with this repository's hooks, and tests that are skipped."""
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text())
    pytester.makepyfile(SKIPS)
    return pytester


def test_a_skip_is_a_failure_where_all_is_required(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With REQUIRE_ALL=1 what a missing tool skips fails, with the reason of the skip."""
    monkeypatch.setenv("REQUIRE_ALL", "1")
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, errors=1, xfailed=1)
    assert "REQUIRE_ALL=1: Skipped: expected the tool, got none" in result.stdout.str()
    assert "REQUIRE_ALL=1: Skipped: expected another tool, got none" in result.stdout.str()


def test_a_skip_is_a_skip_elsewhere(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody without the tools can run the rest."""
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(skipped=2, xfailed=1)


def test_ci_requires_all() -> None:
    """Each target that runs tests for CI lets none of them be skipped."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    assert [line for line in lines if "$(BIN)/pytest" in line] == [
        "PYTEST := REQUIRE_ALL=1 $(BIN)/pytest --durations=10"
    ]
    assert len([line for line in lines if "$(PYTEST)" in line]) >= 4
