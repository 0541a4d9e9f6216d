"""A ZooKeeper ensemble of pods on its own Docker network: watch, disturb, change, remove."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from cluster import ensemble, members, transactions, trees
from cluster.cluster_errors import ClusterError
from cluster.engine import engine, leftovers, run_engines
from cluster.engine.each import each
from cluster.engine.hosts import Host
from cluster.engine.ledger import LedgerFile
from cluster.pods import kept_disks, late_links, network, shimmed_disk
from cluster.pods.pod import Pod
from cluster.software import image
from cluster.software.building import Say
from cluster.software.server_image import ORIGIN
from harness.common.last_words import last_words
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus, ServerTree, SessionEnds, answered
from harness.common.settings.quorum_config import QuorumConfig, Role, Software
from harness.target import DOWN, Evidence, RoundTrips
from harness.target.disturbances import Drops, Lateness, PowerLossModel

POLL_S = 0.05
ASK_ENGINES_S = 2.0
ENGINE_ANSWERS_S = 15.0  # one that is busy answers sooner


class DockerQuorum:
    """The ensemble; see `harness.target.Quorum` for what its methods promise."""

    def __init__(
        self,
        hosts: Sequence[Host],
        run: str,
        pods: Mapping[int, Pod],
        *,
        timings: dict[str, float],
    ) -> None:
        self.run = run
        self.timings_s = timings
        self._hosts = list(hosts)
        self._asked_s = time.monotonic()
        self._pods = dict(pods)
        self._sandboxes = {id: pod.sandbox for id, pod in pods.items()}
        self._upgrades: dict[Software, ensemble.Images] = {}
        self.ledger = LedgerFile(run)

    @property
    def nodes(self) -> Mapping[int, Pod]:
        return self._pods

    @property
    def hosts(self) -> str:
        return ",".join(pod.client_address for pod in self._pods.values())

    @property
    def engine_id(self) -> str:
        """Return what its engine, or the first of them, calls itself."""
        return engine.identity(self._hosts[0].client)

    def statuses(self, *, metrics: bool = False) -> Sequence[NodeStatus]:
        """Look at all servers at once, in order of id.

        Raises:
            EngineGoneError: one of several engines does not answer any more. Its servers may.
        """
        self._require_engines()
        return each(self._pods.values(), lambda pod: pod.status(metrics=metrics))

    def leader(self, *, within_s: float = 30) -> int:
        leader = _the_leader(self._wait(within_s, "one leader", _the_leader))
        assert leader is not None
        return leader

    def wait_ready(self, *, within_s: float = 60, nodes: Collection[int] | None = None) -> float:
        """Wait until `nodes` (all) serve and one leads; return the seconds it took.

        It ends early if one of `nodes` does not serve, and each server that does not has ended:
        none will begin by itself.
        """
        began = time.monotonic()
        wanted = set(nodes if nodes is not None else self._pods)

        def ready(seen: Sequence[NodeStatus]) -> bool:
            led = len(self._pods) == 1 or _the_leader(seen) is not None
            return led and all(s.serving for s in seen if s.node in wanted)

        def settled(seen: Sequence[NodeStatus]) -> bool:
            idle = {s.node for s in seen if not s.serving}
            given_up = wanted & idle and all(self._pods[id].has_ended for id in idle)
            return ready(seen) or bool(given_up)

        what = f"nodes {sorted(wanted)} serving and one leader"
        seen = self._wait(within_s, what, settled)
        if not ready(seen):
            raise ClusterError(f"quorum {self.run}: expected {what}, {self._seen(seen)}")
        return time.monotonic() - began

    def drop(self, rule: str, drops: Mapping[int, Drops]) -> Evidence:
        return network.drop(self._sandboxes, rule, drops)

    def speak(self, pairs: Collection[tuple[int, int]]) -> None:
        network.speak(self._sandboxes, pairs)

    def dropped(self, rule: str) -> Mapping[int, Mapping[int, int]]:
        return network.dropped(self._sandboxes, rule)

    def delay_links(
        self, links: Mapping[int, Mapping[int, Lateness]], clients: Lateness | None = None
    ) -> None:
        late_links.put(self._sandboxes, links, clients)

    def delayed(self, nodes: Collection[int]) -> Mapping[int, Evidence]:
        return late_links.counted(self._sandboxes, nodes)

    def end_delays(self, nodes: Collection[int]) -> None:
        late_links.take_off([self._sandboxes[id] for id in nodes])

    def round_trips(
        self, links: Mapping[int, Collection[int]], *, within_ms: int = 0
    ) -> RoundTrips:
        return late_links.round_trips(self._sandboxes, links, within_ms)

    def lose_power(self, nodes: Collection[int], model: PowerLossModel) -> Evidence:
        pods = [self._pods[id] for id in nodes]
        for pod in pods:
            pod.require_disk_shim()
        killed = each([pod for pod in pods if pod.process not in DOWN], Pod.kill)
        return {
            "killed": killed,
            "lost": each(pods, lambda pod: shimmed_disk.cut(pod.sandbox, model)),
        }

    def remove_member(self, node: int) -> Evidence:
        return members.remove(self._serving_beside(node), node)

    def add_member(self, node: int, role: Role = "participant") -> Evidence:
        return members.add(self._serving_beside(node), node, self._sandboxes[node].ip, role)

    def supports(self, what: str) -> bool:
        tries = {"nfqueue": late_links.supported, "netem": network.supports_netem}
        one_each = {sandbox.host: sandbox for sandbox in self._sandboxes.values()}.values()
        return what not in tries or all(each(one_each, tries[what]))

    def prepare(self, wanted: Software, say: Say) -> None:
        """Have the image of an upgrade at hand; building one takes minutes."""
        self._upgrades[wanted] = image.on_each(self._hosts, QuorumConfig(zookeeper=wanted), say)

    def upgrade(self, node: int, wanted: Software) -> Evidence:
        if wanted not in self._upgrades:
            self.prepare(wanted, lambda _: None)
        to, _ = self._upgrades[wanted][self._pods[node].host]
        self._pods[node].replace_server(to.id)
        return {"node": node, "release": to.release, "image": to.name, "origin": to.origin}

    def logs(self) -> Iterator[tuple[int, bytes]]:
        for id, pod in self._pods.items():
            yield id, pod.log()

    def trees(self, root: str) -> Sequence[ServerTree]:
        return trees.read_all(self._pods.values(), root)

    def session_ends(self) -> Sequence[SessionEnds]:
        return transactions.session_ends(self._pods.values())

    def versions(self) -> dict[str, Any]:
        """Return each server's release, image, origin and host, and the engines' versions."""
        seen = answered(lambda: self.statuses(metrics=True))
        servers = {str(id): pod.server for id, pod in self._pods.items()}
        engines = {h.name: str(h.client.version()["Version"]) for h in self._hosts}
        places = {str(id): pod.host for id, pod in self._pods.items()}
        return {
            "zookeeper": {str(s.node): (s.metrics or {}).get("zk_version", "") for s in seen},
            "images": {id: str(server.attrs["Config"]["Image"]) for id, server in servers.items()},
            "origins": {id: server.labels.get(ORIGIN, "") for id, server in servers.items()},
            "engine": engines[self._hosts[0].name],
            **({"engines": engines, "hosts": places} if len(engines) > 1 else {}),
        }

    def renew(self, config: QuorumConfig, *, say: Say = lambda _: None) -> None:
        """Replace all servers by new ones with empty disks, whatever was done to the old ones.

        Network, addresses and ports stay, so `config` may differ in all but `config.place`. Logs
        and ledger begin anew. Cheaper than another quorum. Does not wait until it is ready.

        Raises:
            ClusterError: the engine refused.
        """
        began = time.monotonic()
        images = image.on_each(self._hosts, config, say)
        try:
            each(self._pods.values(), Pod.clear)
            ensemble.boot(self._hosts, self._pods, config, images, say)
        except DockerException as error:
            raise ClusterError(f"quorum {self.run}: {error}") from error
        self.ledger.remove()
        self.timings_s = {"renewed": time.monotonic() - began}

    def limit_faults(self, term_s: int) -> None:
        """Let rules, shapes, clocks and full disks end by themselves `term_s` after injection.

        For an injector that ends at once, so that no process renews their leases.
        """
        for sandbox in self._sandboxes.values():
            sandbox.lease = sandbox.lease.unrenewed(term_s)

    def keep_disks(self, folder: Path) -> None:
        """Stop all servers, and keep their disks in a folder; see `QuorumConfig.disks`.

        Raises:
            ClusterError: a server did not stop, or a disk could not be read or written.
        """
        each([pod for pod in self._pods.values() if pod.process not in DOWN], Pod.stop)
        each(self._pods.values(), lambda pod: kept_disks.keep(pod.server, folder, pod.id))

    def down(self) -> None:
        """Remove everything of this quorum from its engines; doing it twice is fine."""
        for sandbox in self._sandboxes.values():
            sandbox.lease.end()
        remove(self._hosts, self.run)

    def _require_engines(self) -> None:
        now_s = time.monotonic()
        if len(self._hosts) > 1 and now_s - self._asked_s > ASK_ENGINES_S:
            self._asked_s = now_s
            each(self._hosts, lambda h: engine.require(h.client, within_s=ENGINE_ANSWERS_S))

    def _serving_beside(self, node: int) -> Pod:
        """Return a server to ask for a reconfiguration of `node`: a write, so it needs a leader."""

        def able(seen: Sequence[NodeStatus]) -> list[int]:
            serving = [s.node for s in seen if s.serving and s.node != node]
            return serving if _the_leader(seen) is not None else []

        return self._pods[able(self._wait(30, f"a leader, and one beside node {node}", able))[0]]

    def _seen(self, seen: Sequence[NodeStatus]) -> str:
        last = ", ".join(f"{s.node} {s.mode}" for s in seen)
        return f"last seen: {last}{self._advice(seen)}"

    def _advice(self, seen: Sequence[NodeStatus]) -> str:
        """Return a clause, after a semicolon, about servers that are not as wanted."""
        running = all(pod.process == "running" for pod in self._pods.values())
        if running and all(s.mode == "down" for s in seen):
            return (
                f"; all run and none is reached at {self.hosts}: if a tunnel leads to the engine, "
                f"name its machine in DOCKER_HOST instead"
            )
        return last_words(self._pods, seen) or "; `harness logs` shows the servers' logs"

    def _wait(
        self, within_s: float, wanted: str, met: Callable[[Sequence[NodeStatus]], object]
    ) -> Sequence[NodeStatus]:
        def late(seen: Sequence[NodeStatus]) -> ClusterError:
            return ClusterError(
                f"quorum {self.run}: expected {wanted} within {within_s:g} s, {self._seen(seen)}"
            )

        return wait_until(self.statuses, met, within_s=within_s, every_s=POLL_S, late=late)


def remove(hosts: Sequence[Host], run: str) -> None:
    """Remove all that a run made from its engines; doing it twice is fine."""
    leftovers.remove_run([host.client for host in hosts], run)
    run_engines.forget(run)


def _the_leader(seen: Sequence[NodeStatus]) -> int | None:
    """Return the only one that says it leads; right after an election two may."""
    leaders = [s.node for s in seen if s.mode == "leader"]
    return leaders[0] if len(leaders) == 1 else None
