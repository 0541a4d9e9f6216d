"""A machine that has Python, pip and the socket of an engine, and nothing of this project."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engine import engine, labels
from cluster.software import building
from worlds import debian

ROOT = Path(__file__).parents[2]
RUNS_WITHIN_S = 900
SCRIPT = """
set -e
python3 -m venv /env
/env/bin/pip install -q --disable-pip-version-check -c /pins.txt "$(ls /dist/*.whl)[harness]"
mkdir /empty
cd /empty
/env/bin/harness run seed/leader-kill
"""


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_pip_install_and_a_scenario_are_all_it_takes(tmp_path: Path, suite: str) -> None:
    """The wheel's own scenario is valid on Debian 12 and 13, and nothing stays in the engine."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", tmp_path], cwd=ROOT, check=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = "\n".join(line.rstrip(" \\") for line in lines if "==" in line and line[0] != " ")
    with (
        closing(engine.connect()) as client,
        debian.container(
            client,
            "python3-venv",
            suite=suite,
            files={f"dist/{wheel.name}": wheel.read_bytes(), "pins.txt": pins},
            command=["sh", "-c", SCRIPT],
            volumes=debian.ENGINE,
            environment={"PIP_CERT": f"/{debian.TRUSTED}", **building.proxies()},
        ) as machine,
    ):
        machine.start()
        status = machine.wait(timeout=RUNS_WITHIN_S)["StatusCode"]
        told = machine.logs().decode()
        print(told)
        owners = [
            labels.Owner.parse(each.labels[labels.OWNER]).host
            for each in client.containers.list(
                all=True, filters={"label": labels.OWNER}, ignore_removed=True
            )
        ]
    assert status == 0, told
    assert "leader-kill: valid" in told
    assert str(machine.id)[:12] not in owners  # its host name
