"""A server's clock: what counts is the time that the server itself tells."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.config import FAKETIME_LIBRARY
from cluster.pods import faketime, server_time
from cluster.pods.lease import Lease
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.software import image
from harness.common.polling import wait_until
from harness.faults.clocks import ClockJump, ClockStrobe

NOW_MS = 1_700_000_000_000


class AnsweringSandbox(Sandbox):
    """A sandbox that notes what it runs; `date` prints these answers, the last one for ever."""

    def __init__(self, *dates: str) -> None:
        super().__init__(id=4, run="r", tags={})
        self.ran: list[str] = []
        self._address = ("127.0.0.1", 1)
        self._dates = chain(dates, repeat(dates[-1]))
        self.lease = Lease(lambda _: None, renewed=False)

    def run(self, command: Sequence[str]) -> str:
        """Note the command."""
        if "date" in command:
            return next(self._dates)
        self.ran.append(command[-1])
        return ""


class Server:
    """A container of a server in a state, under libfaketime."""

    name = "server-4"

    def __init__(self, process: str) -> None:
        environment = [f"LD_PRELOAD={FAKETIME_LIBRARY}"]
        self.attrs = {"State": {"Status": process}, "Config": {"Env": environment}}

    def reload(self) -> None:
        """Stay in that state."""


def pod(process: str = "running", *dates: str) -> tuple[Pod, list[str]]:
    """Return a node whose server is in a state, and the list of what its sandbox runs."""
    sandbox = AnsweringSandbox(*(dates or (f"{NOW_MS}\n",)))
    made = Pod(cast(docker.DockerClient, None), sandbox)
    made._server.attach(cast(Container, Server(process)))
    return made, sandbox.ran


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function from seconds off to a server that tells them, the last one for ever."""

    def tell(*offsets_s: float | None) -> None:
        all_s: Iterator[float | None] = chain(offsets_s, repeat(offsets_s[-1]))

        def told_ms(_: tuple[str, int]) -> int | None:
            off_s = next(all_s)
            return None if off_s is None else NOW_MS + round(off_s * 1000)

        monkeypatch.setattr(server_time, "told_ms", told_ms)

    monkeypatch.setattr(faketime, "POLL_S", 0.0)
    return tell


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faketime, "SEEN_WITHIN_S", 0.0)


def test_a_jump_is_waited_for(told: Callable[..., None]) -> None:
    """The new time counts once the server tells it, though the file has it before."""
    told(0.0, 0.0, None, 60.2)
    node, ran = pod()
    assert node.set_clock(60.0) == {"node": 4, "offset_s": 60.2}
    assert "'+60'" in ran[0]


def test_an_engine_that_answers_nothing_is_asked_again(told: Callable[..., None]) -> None:
    """An empty answer to a command in the sandbox is no time, and no error of the run."""
    told(60.0)
    node, _ = pod("running", "", "", f"{NOW_MS}\n")
    assert node.set_clock(60.0) == {"node": 4, "offset_s": 60.0}


def test_the_time_that_a_look_takes_is_no_offset(told: Callable[..., None]) -> None:
    """The right clock is read before and after the server's, and their middle is compared."""
    told(60.0)
    node, _ = pod("running", f"{NOW_MS - 1200}\n", f"{NOW_MS + 1200}\n")
    assert faketime.seen_offset_s(node.sandbox) == 60.0


@pytest.mark.usefixtures("_impatient")
def test_a_look_that_takes_too_long_sees_nothing(told: Callable[..., None]) -> None:
    """On a machine that stands still a clock is not called wrong, and not right either."""
    told(0.0)
    node, _ = pod("running", f"{NOW_MS - 3000}\n", f"{NOW_MS + 3000}\n")
    assert node.set_clock(0.0) == {"node": 4, "offset_s": None}


def test_the_offset_is_replaced_whole(
    told: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that has the offset's file open never reads it empty: libfaketime would end it."""
    offset = tmp_path / "clock"
    spare = tmp_path / "clock.spare"
    for file in (offset, spare):
        file.write_text(f"{'+0':<20}\n")
    inodes = {file.stat().st_ino for file in (offset, spare)}
    monkeypatch.setattr(faketime, "FAKETIME_OFFSET", str(offset))
    told(60.0)
    node, ran = pod()
    with offset.open() as before, tempfile.TemporaryDirectory() as run:
        node.set_clock(60.0)
        script = ran[0].replace("/run/nemesis", run)
        subprocess.run(["sh", "-c", script], check=True, timeout=60)
        assert before.read().strip() == "+0"
    assert offset.read_text() == f"{'+60':<20}\n"
    assert sorted(tmp_path.iterdir()) == [offset, spare]
    assert {file.stat().st_ino for file in (offset, spare)} == inodes, "no new file on a full disk"


# Says what is in the file, and returns when it may; so that what was read is old by then.
_SLOW_CAT = """#!/bin/sh
/bin/cat "$@"
: > asked
while [ ! -e go ]; do sleep 0.01; done
"""


@pytest.mark.medium
@pytest.mark.parametrize("ends_by", ["heal", "lease"])
def test_a_clock_set_right_stays_right_beside_a_strobe_that_jumps_just_now(
    told: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends_by: str
) -> None:
    """A strobe that has just found that it goes on must not jump after its end."""
    told(60.0, 0.0)
    node, ran = pod()
    node.strobe_clock(60.0, 4.0)
    node.set_clock(0.0)
    for file in ("clock", "clock.spare"):
        (tmp_path / file).write_text(f"{'+0':<20}\n")
    for name, script in {"cat": _SLOW_CAT, **dict.fromkeys(("nft", "tc", "iptables"), "")}.items():
        (tool := tmp_path / name).write_text(script)
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sandbox_sh = Path(image.__file__).with_name("sandbox.sh").read_text()
    end = {"heal": f"{ran[1]};", "lease": f"echo 0 > /run/nemesis/lease; {sandbox_sh}"}[ends_by]

    def started(script: str) -> "subprocess.Popen[bytes]":
        for folder in ("/run/nemesis", "/data/nemesis", "/nemesis"):
            script = script.replace(folder, str(tmp_path))
        return subprocess.Popen(["sh", "-c", f"{script} wait"], cwd=tmp_path)

    def waits() -> bool:
        lock = tmp_path / "clock.lock"
        held = Path("/proc/locks").read_text().splitlines()
        return lock.exists() and any("->" in x and f":{lock.stat().st_ino} " in x for x in held)

    def is_right() -> bool:
        return (tmp_path / "clock").read_text().strip() == "+0"

    with started(ran[0]) as strobe:
        assert wait_until((tmp_path / "asked").exists, within_s=60, every_s=0.01)
        ended = ["strobe"] if ends_by == "heal" else ["strobe", "lease"]
        with started(end) as heal, ExitStack() as at_last:
            at_last.callback(heal.kill)  # sandbox.sh would go on
            gone = [tmp_path / name for name in ended]
            assert wait_until(
                lambda: waits() or not any(file.exists() for file in gone),
                within_s=60,
                every_s=0.01,
            )
            (tmp_path / "go").touch()
            assert strobe.wait(60) == 0
            assert wait_until(lambda: heal.poll() == 0 or is_right(), within_s=60, every_s=0.01)
    assert is_right()


@pytest.mark.usefixtures("_impatient")
def test_a_jump_that_the_server_never_sees_did_not_bite(told: Callable[..., None]) -> None:
    """What the server does not tell is not installed, whatever a new process would see."""
    told(0.0)
    node, _ = pod()
    jumped: Any = {"wanted_s": 60.0, "clocks": [node.set_clock(60.0)]}
    assert jumped["clocks"] == [{"node": 4, "offset_s": 0.0}]
    assert not ClockJump(offset_s=60.0).bit(jumped)


@pytest.mark.parametrize("process", ["exited", "paused"])
def test_a_clock_is_set_right_though_its_server_is_down(
    told: Callable[..., None], process: str
) -> None:
    """A kill or a pause that meets a clock fault does not keep it from being healed."""
    told(None)
    node, ran = pod(process)
    assert node.set_clock(0.0) == {"node": 4, "offset_s": None}
    assert "'+0'" in ran[0]


@pytest.mark.usefixtures("_impatient")
def test_a_clock_that_stays_wrong_is_an_error(told: Callable[..., None]) -> None:
    """A heal that the server does not follow is none."""
    told(60.0)
    node, _ = pod()
    with pytest.raises(ClusterError, match=r"node 4: expected its clock right .* got it \+60 s"):
        node.set_clock(0.0)


@pytest.mark.parametrize(
    ("offsets_s", "seen_s", "bit"),
    [
        ((0.1, 0.0, -599.8), [-600.0, 0.0], True),
        ((-599.8, -600.1), [-600.0], False),
        ((0.0, 0.2), [0.0], False),
        ((None,), [], False),
    ],
    ids=["both", "only-off", "only-right", "silent"],
)
def test_a_strobe_is_seen_at_both_times(
    told: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    offsets_s: tuple[float | None, ...],
    seen_s: list[float],
    bit: bool,  # noqa: FBT001 -- a column of the table
) -> None:
    """A strobe of which the server tells one time only did not bite."""
    monkeypatch.setattr(faketime, "SEEN_WITHIN_S", 60.0 if bit else 0.05)
    told(*offsets_s)
    node, _ = pod()
    evidence: Any = {"clocks": [node.strobe_clock(-600.0, 0.0)]}
    assert evidence["clocks"][0]["seen_s"] == seen_s
    assert ClockStrobe(offset_s=-600.0).bit(evidence) is bit


@pytest.mark.parametrize("process", ["exited", "paused"])
def test_a_strobe_waits_for_nobody_who_is_down(told: Callable[..., None], process: str) -> None:
    """Nothing is seen of a server that is not there, and it is asked once."""
    told(None, -600.0)
    node, _ = pod(process)
    assert node.strobe_clock(-600.0, 4.0)["seen_s"] == []


CONS = """\
 /172.18.0.1:42008[0](queued=0,recved=1,sent=0)
 /172.18.0.1:42006[1](queued=0,recved=1,sent=1,sid=0x300002b1cf10003,lop=SESS,est=1700000003600,to=4000,lcxid=0x0,lzxid=0x1)
 /172.18.0.1:42004[1](queued=0,recved=9,sent=9,sid=0x300002b1cf10002,lop=PING,est=1700000000000,to=4000,lcxid=0x4)
"""


@pytest.mark.parametrize(
    ("session", "told_ms"),
    [(0x300002B1CF10003, 1700000003600), (0x300002B1CF10002, 1700000000000), (7, None)],
)
def test_a_connection_is_found_by_its_session(session: int, told_ms: int | None) -> None:
    """Of all connections the one of our session tells the time."""
    assert server_time.established_ms(CONS, session) == told_ms
