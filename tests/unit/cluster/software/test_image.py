"""The order of sources, on an engine that only remembers which images it has."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.cluster_errors import ImageError
from cluster.software import debian, image, server_image
from cluster.software import docker_registry as registry
from cluster.software.server_image import ServerImage
from harness.common.harness_errors import UnmetError
from harness.common.settings.quorum_config import QuorumConfig

OFFLINE = "no such host"


class Engine:
    """An engine's images, and what a registry and Debian's archive would give."""

    def __init__(self, *, official: str | None, shipped: str | None) -> None:
        self.official, self.shipped = official, shipped
        self.kept: dict[str, ServerImage] = {}
        self.did: list[str] = []

    def pull(self, _client: Any, reference: str, _say: Any) -> Any:
        """Give the official image, if there is one."""
        self.did.append(f"pull {reference}")
        return self._raw(self.official, OFFLINE)

    def build(self, _client: Any, release: str, _say: Any) -> Any:
        """Give what Debian ships, if its archive answers."""
        self.did.append(f"build {release}")
        return self._raw(self.shipped, "apt-get update failed")

    def settle(self, _client: Any, raw: Any, name: str, origin: str) -> ServerImage:
        """Keep an image under a name."""
        release = str(raw.release)
        found = ServerImage(id=name, name=name, release=release, classpath="/*", origin=origin)
        return self.kept.setdefault(name, found)

    def known(self, _client: Any, name: str) -> ServerImage | None:
        """Look a name up."""
        return self.kept.get(name)

    def _raw(self, release: str | None, why: str) -> Any:
        if release is None:
            raise ImageError(why)
        return SimpleNamespace(release=release, attrs={"RepoDigests": []})


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Engine]:
    """Give a function that makes an engine and puts it in place."""

    def make(**sources: str | None) -> Engine:
        engine = Engine(official=sources.get("official"), shipped=sources.get("shipped"))
        monkeypatch.setattr(registry, "pull", engine.pull)
        monkeypatch.setattr(debian, "server", engine.build)
        monkeypatch.setattr(server_image, "settle", engine.settle)
        monkeypatch.setattr(server_image, "known", engine.known)
        monkeypatch.setattr(image, "find", lambda *_: None)
        monkeypatch.delenv(registry.MIRROR_VARIABLE, raising=False)
        return engine

    return make


def resolve(engine: Engine, config: QuorumConfig | None = None) -> tuple[str, list[str]]:
    """Return the release that is found, and what was said."""
    said: list[str] = []
    found = image.server(engine, config or QuorumConfig(), said.append)  # type: ignore[arg-type]
    return found.release, said


def test_a_registry_comes_before_the_archive(of: Callable[..., Engine]) -> None:
    """The official image is taken where a registry has it, and then it is here."""
    engine = of(official="3.9.6", shipped="3.9.6")
    assert resolve(engine)[0] == "3.9.6"
    assert resolve(engine)[1] == ["ZooKeeper 3.9.6: from zookeeper:3.9.6, here already"]
    assert engine.did == ["pull zookeeper:3.9.6"]


def test_the_archive_comes_next_and_why_is_said(of: Callable[..., Engine]) -> None:
    """Without a registry Debian's archive is asked, after a line that says so."""
    engine = of(shipped="3.9.6")
    assert resolve(engine) == ("3.9.6", [f"ZooKeeper 3.9.6: zookeeper:3.9.6: {OFFLINE}"])
    assert resolve(engine)[1] == ["ZooKeeper 3.9.6: from Debian forky, here already"]
    assert engine.did == ["pull zookeeper:3.9.6", "build 3.9.6"]


def test_without_any_source_one_error_names_all(of: Callable[..., Engine]) -> None:
    """The error says of each source why it has nothing."""
    with pytest.raises(ImageError, match=f"{OFFLINE}; Debian: apt-get update failed"):
        resolve(of())


def test_what_has_moved_is_taken_unless_it_is_named(of: Callable[..., Engine]) -> None:
    """A quorum that names no release gets what is shipped; one that names it is not started."""
    engine = of(shipped="3.9.7")
    assert resolve(engine)[0] == "3.9.7"
    with pytest.raises(UnmetError, match=r"requires ZooKeeper 3\.9\.6: Debian forky ships"):
        resolve(engine, QuorumConfig(zookeeper="3.9.6"))
    assert engine.did == ["pull zookeeper:3.9.6", "build 3.9.6", "pull zookeeper:3.9.6"]


def test_a_named_release_comes_from_a_registry_that_is_back(of: Callable[..., Engine]) -> None:
    """Where Debian has moved, the official image is still asked for, and taken from then on."""
    engine = of(shipped="3.9.7")
    resolve(engine)
    engine.official = "3.9.6"
    assert resolve(engine, QuorumConfig(zookeeper="3.9.6"))[0] == "3.9.6"
    assert resolve(engine)[0] == "3.9.6"


def test_a_mirror_stands_before_the_name(
    of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable ZKMQ_REGISTRY names the mirror that is asked."""
    engine = of(official="3.9.6")
    monkeypatch.setenv(registry.MIRROR_VARIABLE, "registry.lan:5000/hub/")
    resolve(engine)
    assert engine.did == ["pull registry.lan:5000/hub/zookeeper:3.9.6"]
