"""Several engines: which are meant, whether they are alike, what is noted and cleaned on each."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound, NotFound

from cluster.cluster_errors import EngineError, EngineGoneError, ImageError
from cluster.engine import engine, fleet, hosts, leftovers, networks, reach, run_engines
from cluster.engine.hosts import Host
from cluster.engine.labels import Owner
from cluster.software import copying
from harness.common.settings.quorum_config import QuorumConfig

GONE = EngineGoneError("Docker engine b: expected an answer, got none")


class Engine:
    """An engine: what it says of itself, its volumes by run, its images."""

    def __init__(
        self, *, machine: str = "x86_64", release: str = "20.10", images: str = ""
    ) -> None:
        self.told = {"OSType": "linux", "Architecture": machine, "ServerVersion": release}
        self.told["Swarm"] = {"LocalNodeState": "inactive"}  # type: ignore[assignment]
        self.held: list[str] = []
        self.images = Images(images.split())
        self.containers = self.networks = SimpleNamespace(list=lambda **_: [])
        self.volumes = SimpleNamespace(list=self._list)

    def info(self) -> dict[str, Any]:
        """Return what `docker info` says."""
        return self.told

    def _list(self, *, filters: dict[str, Any]) -> list[Any]:
        if "zkmq.part=swarm" in filters["label"]:
            return []
        tags = [{"zkmq.run": run, "zkmq.owner": "h/b/1/1"} for run in self.held]
        return [
            SimpleNamespace(
                attrs={"Labels": tag}, remove=lambda run=tag["zkmq.run"]: self.held.remove(run)
            )
            for tag in tags
            if filters["label"] in {"zkmq.harness", f"zkmq.run={tag['zkmq.run']}"}
        ]


class DeadEngine(Engine):
    """An engine that has answered, and does not any more."""

    def _list(self, **_: Any) -> list[Any]:
        raise GONE


class Images:
    """The images of an engine, by name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def get(self, name: str) -> Any:
        """Return one that can be saved."""
        if name not in self.names:
            raise ImageNotFound("No such image")
        return SimpleNamespace(save=lambda named: iter([named.encode()]))

    def load(self, chunks: Any) -> None:
        """Take what was saved."""
        self.names += [chunk.decode() for chunk in chunks]


def host(name: str, found: Engine) -> Host:
    """Return an engine under a name."""
    return Host(name, cast(DockerClient, found))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Engine]:
    """Return engines that answer, by name, to be filled; what runs note is the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("cluster.engine.leftovers.processes.beside", lambda *_: [])
    monkeypatch.setattr("cluster.engine.leftovers.processes.orphans", lambda: iter(()))
    engines: dict[str, Engine] = {}

    def connect(name: str = "") -> Engine:
        if name not in engines:
            raise EngineError(f"Docker engine at {name}: refused")
        return engines[name]

    monkeypatch.setattr(engine, "connect", connect)
    return engines


def test_each_node_gets_a_host_in_turn(known: dict[str, Engine]) -> None:
    """In the order of `engines`; one that does not answer is an error with its name."""
    known |= {"a": Engine(), "b": Engine()}
    config = QuorumConfig(engines=["a", "b"])
    found = hosts.connect(config, print)
    placed = hosts.placed(config, found)
    assert [placed[id].name for id in sorted(placed)] == ["a", "b", "a", "b", "a"]
    with pytest.raises(EngineError, match="engine at c: refused"):
        hosts.connect(QuorumConfig(engines=["a", "c"]), print)


def test_engines_of_several_architectures_are_refused(known: dict[str, Engine]) -> None:
    """They cannot run one image; engines of several releases can, and that is said."""
    known |= {"a": Engine(), "b": Engine(machine="aarch64"), "c": Engine(release="28.2")}
    with pytest.raises(EngineError, match="linux/x86_64 on a, linux/aarch64 on b"):
        hosts.connect(QuorumConfig(engines=["a", "b"]), print)
    said: list[str] = []
    hosts.connect(QuorumConfig(engines=["a", "c"]), said.append)
    assert said == ["the Docker engines differ in their release: 20.10 on a, 28.2 on c"]


def dead_run(run: str, *engines: str) -> Path:
    """Note a run of a process that is gone; return the file."""
    run_engines.note(run, engines)
    note = run_engines.path_of(run)
    here = Owner.me()
    gone = Owner(here.host, here.boot, here.pid, here.start_ticks + 1)
    note.write_text(note.read_text().replace(str(here), str(gone)))
    return note


def test_clean_visits_the_engines_that_runs_have_named(known: dict[str, Engine]) -> None:
    """What a killed run left on an engine that the environment does not mean is removed."""
    known |= {"": Engine(), "a": Engine(), "b": Engine()}
    known["b"].held = ["dead"]
    note = dead_run("dead", "a", "b")
    assert [found.name for found in fleet.find().of("dead")] == ["a", "b"]
    leftovers.remove_run(fleet.find().clients, "dead")
    leftovers.clean(fleet.find())
    assert known["b"].held == []
    assert not note.exists()


def test_clean_tells_which_engine_it_could_not_look_at(known: dict[str, Engine]) -> None:
    """And keeps the note of it; a laptop without an engine of its own is no obstacle."""
    known |= {"a": Engine()}
    note = dead_run("dead", "a", "b")
    run_engines.note("mine", ["c"])
    said: list[str] = []
    leftovers.clean(fleet.find(), say=said.append)
    assert len(said) == 1, "a run in progress has left nothing"
    assert "run dead may have left something: Docker engine at b: refused" in said[0]
    assert str(note) in said[0]
    assert note.exists()
    del known["a"]
    with pytest.raises(EngineError, match="engine at : refused"):
        fleet.find()


def test_a_note_that_was_cut_off_is_ignored(known: dict[str, Engine]) -> None:
    """The harness was killed before it had put anything into an engine."""
    known |= {"": Engine()}
    dead_run("dead", "a").write_text('{"owner": "h/')
    assert run_engines.noted() == []
    assert [found.name for found in fleet.find().hosts] == [""]


def test_an_engine_that_is_gone_does_not_keep_the_others_from_being_cleaned(
    known: dict[str, Engine],
) -> None:
    """The failure is told afterwards."""
    a, b = Engine(), DeadEngine()
    a.held = ["run"]
    clients = [cast(DockerClient, each) for each in (b, a)]
    with pytest.raises(EngineGoneError, match="engine b"):
        leftovers.remove_run(clients, "run")
    assert a.held == []


def test_an_image_is_copied_to_the_engine_that_lacks_it() -> None:
    """It is said, since it takes a while; what is there stays."""
    source, target = Engine(images="zkmq:1"), Engine()
    said: list[str] = []
    for _ in range(2):
        copying.copy(host("a", source), host("b", target), "zkmq:1", said.append)
    assert target.images.names == ["zkmq:1"]
    assert said == ["b: copying the image zkmq:1 from a"]
    with pytest.raises(ImageError, match="engine b: image zkmq:2"):
        copying.copy(host("a", source), host("b", target), "zkmq:2", said.append)


def test_ports_are_published_at_each_hosts_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container on one of the hosts reaches all nodes by the network that spans them."""
    outside = {"unix:///x.sock": "127.0.0.1", "tcp://192.0.2.7:2375": "192.0.2.7"}
    machines = [host(name, Engine()) for name in outside]
    monkeypatch.setattr(reach, "_own_container", lambda _: None)
    assert {name: way.publish for name, way in reach.of_all(machines).items()} == outside
    inside = object()
    monkeypatch.setattr(
        reach, "_own_container", lambda client: inside if client is machines[1].client else None
    )
    assert {(way.publish, way.joins) for way in reach.of_all(machines).values()} == {(None, inside)}


def test_what_is_not_on_an_overlay_any_more_is_no_obstacle() -> None:
    """An overlay lists an endpoint of its own beside containers, which cannot be taken off."""
    off: list[str] = []

    def disconnect(id: str, *, force: bool) -> None:
        if id == "lb-net":
            raise NotFound("No such container")
        off.append(id)

    network = SimpleNamespace(
        reload=lambda: None,
        attrs={"Containers": {"lb-net": {}, "stranger": {}}},
        disconnect=disconnect,
    )
    networks.detach_strangers(network)  # type: ignore[arg-type]
    assert off == ["stranger"]
