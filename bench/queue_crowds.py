"""Rows of the queue benchmark with many clients: idle ones that wait, eight that take."""

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

from kazoo.client import KazooClient
from queue_sides import PAYLOAD, Bench, fill

from zkmq import Queue

_spawn = multiprocessing.get_context("spawn")
IDLE_PROCESSES, IDLE_EACH = 4, 25
CONSUMERS = 8
PER_CONSUMER = 100
PUTS = 200
READY_WITHIN_S = 120


def idle_100(bench: Bench, rounds: int) -> dict[str, Any]:
    """Put one by one while 100 consumers are blocked on another queue, against none.

    A crowd cannot come and go with each round: a round with it is compared with the mean of two
    without, one as long before the crowd came and one after it went.
    """
    queue, crowd = bench.queue(), bench.path("idle")
    bench.queue(crowd)  # the tree exists before anybody waits on it

    def put() -> float:
        began = time.perf_counter()
        for _ in range(PUTS):
            queue.put(PAYLOAD)
        return PUTS / (time.perf_counter() - began)

    put()  # does not count
    before = [put() for _ in range(rounds)]
    stop = _spawn.Event()
    processes = _started(_wait_idle, [(bench.hosts, crowd)] * IDLE_PROCESSES, stop)
    try:
        beside = [put() for _ in range(rounds)]
    finally:
        _ended(processes, stop)
    after = [put() for _ in range(rounds)]
    alone = [(b + a) / 2 for b, a in zip(reversed(before), after, strict=True)]
    ratios = sorted(mine / theirs for mine, theirs in zip(beside, alone, strict=True))
    return {
        "name": "idle-100",
        "ours": round(statistics.median(beside), 1),
        "peer": round(statistics.median(alone), 1),
        "peer_name": "no consumers",
        "unit": "items/s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
        "rounds": rounds,
    }


def consumers_8(bench: Bench, rounds: int) -> dict[str, Any]:
    """Take with eight processes at once (relaxed, n = 1): what they gain over one process.

    The ratio is to what eight processes with bare creates gain over one: no queue can gain more.
    """
    ratios, ours, peers, gains, ceilings = [], [], [], [], []
    for _ in range(max(1, rounds // 5)):
        one, many = (_crowd_rate(bench, _take, size) for size in (1, CONSUMERS))
        bare_one, bare_many = (_crowd_rate(bench, _create, size) for size in (1, CONSUMERS))
        gains.append(many / one)
        ceilings.append(bare_many / bare_one)
        ratios.append(gains[-1] / ceilings[-1])
        ours.append(many)
        peers.append(bare_many)
    return {
        "name": "consumers-8",
        "ours": round(statistics.median(ours), 1),
        "peer": round(statistics.median(peers), 1),
        "peer_name": "8 bare clients",
        "unit": "items/s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "gain": round(statistics.median(gains), 2),
        "ceiling": round(statistics.median(ceilings), 2),
        "rounds": len(ratios),
    }


def _crowd_rate(bench: Bench, work: Callable[..., None], size: int) -> float:
    """Return the items a second of `size` processes that start together."""
    path = bench.path("crowd")
    fill(bench.queue(path), PER_CONSUMER * size)
    bench.client.ensure_path(f"{path}-bare")
    go = _spawn.Event()
    ready = [_spawn.Event() for _ in range(size)]
    processes = [
        _spawn.Process(target=work, args=(bench.hosts, path, ready[number], go), daemon=True)
        for number in range(size)
    ]
    for process in processes:
        process.start()
    for event in ready:
        event.wait(READY_WITHIN_S)
    began = time.perf_counter()
    go.set()
    for process in processes:
        process.join(READY_WITHIN_S)
    return PER_CONSUMER * size / (time.perf_counter() - began)


def _take(hosts: str, path: str, ready: Event, go: Event) -> None:
    queue = Queue.connect(hosts, path, order="relaxed", janitor=False)
    ready.set()
    go.wait(READY_WITHIN_S)
    for _ in range(PER_CONSUMER):
        items = queue.reserve(1, timeout_s=30).items
        queue.done(*items)


def _create(hosts: str, path: str, ready: Event, go: Event) -> None:
    client = KazooClient(hosts=hosts)
    client.start(timeout=30)
    ready.set()
    go.wait(READY_WITHIN_S)
    for _ in range(PER_CONSUMER):
        client.create(f"{path}-bare/item-", PAYLOAD, sequence=True)


def _wait_idle(hosts: str, path: str, ready: Event, stop: Event) -> None:
    """Block IDLE_EACH consumers in reserve, each in a thread, until told to stop."""
    queues = [Queue.connect(hosts, path, janitor=False) for _ in range(IDLE_EACH)]

    def wait(queue: Queue) -> None:
        while not stop.is_set():
            queue.reserve(1, timeout_s=5)

    threads = [threading.Thread(target=wait, args=(queue,), daemon=True) for queue in queues]
    for thread in threads:
        thread.start()
    time.sleep(2)  # all are in the wait line by now
    ready.set()
    stop.wait()


def _started(work: Callable[..., None], arguments: list[Any], stop: Event) -> list[BaseProcess]:
    ready = [_spawn.Event() for _ in arguments]
    processes = [
        _spawn.Process(target=work, args=(*told, event, stop), daemon=True)
        for told, event in zip(arguments, ready, strict=True)
    ]
    for process in processes:
        process.start()
    for event in ready:
        event.wait(READY_WITHIN_S)
    return list(processes)


def _ended(processes: list[BaseProcess], stop: Event) -> None:
    stop.set()
    for process in processes:
        process.join(10)
        process.kill()
