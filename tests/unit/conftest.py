"""What all unit tests share: no engine, so that they say the same on every machine."""

import pytest


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    # A folder for each of thousands of tests would cost more than most of these tests.
    nowhere = tmp_path_factory.getbasetemp() / "no-engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{nowhere}")
