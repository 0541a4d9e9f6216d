"""What can be done to a server on this machine: each means of the faults, tried on one server."""

from collections.abc import Callable, Mapping

from cluster import lending
from cluster.pods import late_links, network
from cluster.pods.pod import Pod
from cluster.software.building import Say
from harness.common.harness_errors import TargetError
from harness.common.settings.failpoint_list import FAILPOINTS
from harness.common.settings.quorum_config import QuorumConfig
from harness.target.disturbances import Drops, FailpointRule, Shape

JUMP_S = 3600.0
NEAR_S = 60.0


def tried(say: Say) -> dict[str, str | None]:
    """Start one server, try each means on it, and return why it does not work; None: it does.

    Raises:
        ClusterError: no server could be started.
    """
    config = QuorumConfig(nodes=1, faketime=True, data_mb=64, disk_shim=True, failpoints=True)
    with lending.started(config, by_hand=False, say=say) as up:
        up.wait_ready()
        return {name: _why_not(attempt, up.nodes[1]) for name, attempt in ATTEMPTS.items()}


def _why_not(attempt: Callable[[Pod], bool], pod: Pod) -> str | None:
    try:
        return None if attempt(pod) else "it took no effect"
    except TargetError as error:
        told = str(error)
        return told[max(told.find("Error: "), 0) :].splitlines()[0]


def _nft(pod: Pod) -> bool:
    one = {pod.id: pod.sandbox}
    network.drop(one, "ability", {pod.id: Drops(deaf_to=frozenset({pod.id}))})
    try:
        return pod.id in network.dropped(one, "ability")
    finally:
        network.drop(one, "ability", {})


def _shape(shape: Shape) -> Callable[[Pod], bool]:
    def attempt(pod: Pod) -> bool:
        pod.shape(shape)
        pod.shape(None)
        return True

    return attempt


def _nfqueue(pod: Pod) -> bool:
    return late_links.supported(pod.sandbox)


def _freezer(pod: Pod) -> bool:
    pod.pause()
    pod.resume()
    return True


def _clock(pod: Pod) -> bool:
    seen_s = pod.set_clock(JUMP_S)["offset_s"]
    pod.set_clock(0.0)
    return seen_s is not None and abs(seen_s - JUMP_S) < NEAR_S


def _disk_shim(pod: Pod) -> bool:
    pod.require_disk_shim()
    return int(pod.disk_calls()["loaded"]) > 0


def _failpoints(pod: Pod) -> bool:
    seen = pod.set_failpoint("ability", FailpointRule(point=next(iter(FAILPOINTS))))
    pod.clear_failpoint("ability")
    return bool(seen["in_force"])


def _full_disk(pod: Pod) -> bool:
    filled = pod.fill_disk()
    pod.free_disk()
    return bool(filled["write_failed"])


# The last one may end the server.
ATTEMPTS: Mapping[str, Callable[[Pod], bool]] = {
    "nft": _nft,
    "tbf": _shape(Shape(rate_kbit=1000)),
    "nfqueue": _nfqueue,
    "freezer": _freezer,
    "clock": _clock,
    "disk-shim": _disk_shim,
    "failpoints": _failpoints,
    "full-disk": _full_disk,
}
