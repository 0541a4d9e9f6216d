"""kombu and Celery on a real server: what kombu's own suites ask of a transport, and workers."""

import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.zkmq.celery_kills import Breeder, app_of, close, executed
from kombu import Connection, Consumer, Exchange, Producer, Queue

import zkmq.celery  # noqa: F401 - makes zkmq:// known

pytestmark = pytest.mark.docker

WITHIN_S = 60.0
APP = """
import os
import zkmq.celery
from celery import Celery

app = Celery("checked", broker=os.environ["BROKER"], backend="rpc://")
app.conf.update(task_acks_late=True, broker_transport_options={"session_timeout_s": 60},
                worker_prefetch_multiplier=1)


@app.task
def add(a, b):
    return a + b


@app.task(bind=True, max_retries=3)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def parent():
    return add.delay(1, 1).id


@app.task
def explode():
    raise ValueError("boom")
"""


@pytest.fixture
def broker(server: str) -> str:
    """Give a broker of the test's own."""
    return f"zkmq://{server}/{uuid.uuid4().hex}"


@pytest.fixture
def connection(broker: str) -> Iterator[Connection]:
    """Give one client."""
    with Connection(broker, transport_options={"session_timeout_s": 60}) as one:
        yield one


def received(connection: Connection, *queues: Queue, count: int, **options: Any) -> list[Any]:
    """Consume and acknowledge so many messages; return their bodies."""
    bodies: list[Any] = []

    def take(body: Any, message: Any) -> None:
        bodies.append(body)
        message.ack()

    with Consumer(
        connection.channel(), list(queues), callbacks=[take], accept=["json", "pickle"], **options
    ):
        while len(bodies) < count:
            connection.drain_events(timeout=WITHIN_S)
    return bodies


def drained(connection: Connection, queue: Queue) -> list[Any]:
    """Take one after the other until there is none."""
    channel = connection.channel()
    got = iter(lambda: channel.basic_get(queue.name, no_ack=True), None)
    bodies = [message.payload for message in got]
    channel.close()
    return bodies


def test_one_process_publishes_and_another_consumes(broker: str, connection: Connection) -> None:
    """A message goes from one connection to another, and a queue that is empty makes it wait."""
    queue = Queue("q", Exchange("e", type="direct"), routing_key="k")
    with Connection(broker) as other:
        Producer(other.default_channel).publish({"a": [1, "ä"]}, exchange=queue.exchange,
                                                routing_key="k", declare=[queue])  # fmt: skip
        assert received(connection, queue, count=1) == [{"a": [1, "ä"]}]
        with Consumer(connection.channel(), [queue]), pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.2)


def test_simple_queues_work(connection: Connection) -> None:
    """Kombu's SimpleQueue and SimpleBuffer put, get, requeue, clear and tell their length."""
    for kind in (connection.SimpleQueue, connection.SimpleBuffer):
        with kind(kind.__name__) as simple:
            simple.put({"n": 1})
            simple.put({"n": 2})
            message = simple.get(timeout=WITHIN_S)
            assert message.payload == {"n": 1}
            message.ack()
            assert simple.get(timeout=WITHIN_S).payload == {"n": 2}
            with pytest.raises(simple.Empty):
                simple.get(block=False)
            simple.put(3)
            simple.clear()
            assert simple.qsize() == 0


@pytest.mark.parametrize(
    ("kind", "bound", "published", "counts"),
    [
        ("direct", ["k1", "k1"], "k1", [1, 1]),
        ("direct", ["k1", "k2"], "k2", [0, 1]),
        ("topic", ["t.1", "t.*"], "t.1", [1, 1]),
        ("topic", ["t.*", "t.#"], "t.a.b", [0, 1]),
        ("fanout", ["", ""], "any", [1, 1]),
    ],
)
def test_exchanges_route_as_in_amqp(
    connection: Connection, kind: str, bound: list[str], published: str, counts: list[int]
) -> None:
    """Direct, topic and fanout exchanges copy a message into each queue that is bound for it."""
    exchange = Exchange("e", type=kind)
    queues = [Queue(f"q{n}", exchange, routing_key=key) for n, key in enumerate(bound)]
    for queue in queues:
        queue(connection.default_channel).declare()
    Producer(connection.default_channel).publish("x", exchange=exchange, routing_key=published)
    assert [len(drained(connection, queue)) for queue in queues] == counts


def test_priorities_order_messages(connection: Connection) -> None:
    """The most urgent comes first, then those of one priority in order; a requeued one again."""
    queue = Queue("p", max_priority=10)
    producer = Producer(connection.default_channel)
    for body, priority in (("a", 0), ("b", 5), ("c", 9), ("d", 5)):
        producer.publish(body, routing_key="p", declare=[queue], priority=priority)
    channel = connection.channel()
    channel.basic_get("p").requeue()
    channel.close()
    assert drained(connection, queue) == ["c", "b", "d", "a"]


def test_a_message_can_be_rejected_or_requeued(connection: Connection) -> None:
    """A requeued message comes again, marked so; a rejected one does not."""
    with connection.SimpleQueue("r") as simple:
        simple.put(1)
        simple.get(timeout=WITHIN_S).requeue()
        again = simple.get(timeout=WITHIN_S)
        assert again.delivery_info["redelivered"] is True
        again.reject()
        with pytest.raises(simple.Empty):
            simple.get(timeout=0.5)


def test_a_message_lives_as_long_as_it_says(connection: Connection) -> None:
    """A message with a time to live is delivered within it, and not after it."""
    producer, queue = Producer(connection.default_channel), Queue("ttl")
    producer.publish("short", routing_key="ttl", declare=[queue], expiration=0.2)
    producer.publish("long", routing_key="ttl", expiration=60)
    time.sleep(0.5)
    assert drained(connection, queue) == ["long"]


@pytest.fixture(scope="module")
def app(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give an application with a worker of two processes, and whatever else Celery starts."""
    folder = tmp_path_factory.mktemp("celery")
    (folder / "checked.py").write_text(APP)
    os.environ["BROKER"] = f"zkmq://{server}/{uuid.uuid4().hex}"
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-m", "celery", "-A", "checked", "worker", "-c", "2", "-E"]
    sys.path.insert(0, str(folder))
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--hostname=one@checked"], cwd=folder, stdout=log, stderr=log,
            env=os.environ | {"PYTHONPATH": path}, start_new_session=True,
        ) as worker,
    ):  # fmt: skip
        try:
            import checked  # noqa: PLC0415 - written above

            yield checked
            checked.app.control.shutdown()
            close(checked.app)
            assert worker.wait(WITHIN_S) == 0, (folder / "log").read_text()
        finally:
            sys.path.remove(str(folder))
            del os.environ["BROKER"]
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)


def test_a_worker_executes_tasks(app: Any) -> None:
    """Tasks, their results and errors, groups, tasks of tasks, and retries work."""
    from celery import group  # noqa: PLC0415

    assert app.add.delay(2, 3).get(timeout=3 * WITHIN_S) == 5
    assert group(app.add.s(n, n) for n in range(10))().get(timeout=WITHIN_S) == [*range(0, 20, 2)]
    assert app.flaky.delay().get(timeout=WITHIN_S) == 2
    assert app.parent.delay().get(timeout=WITHIN_S)
    with pytest.raises(ValueError, match="boom"):
        app.explode.delay().get(timeout=WITHIN_S)


def test_a_worker_keeps_the_time(app: Any) -> None:
    """A task with a countdown is executed when it is due; an expired one is not."""
    app.add.delay(0, 0).get(timeout=3 * WITHIN_S)
    began_s = time.monotonic()
    late = app.add.apply_async((1, 1), countdown=1.5)
    expired = app.add.apply_async((2, 2), countdown=0.5, expires=0.1)
    assert late.get(timeout=WITHIN_S) == 2
    assert time.monotonic() - began_s >= 1.4  # the worker's clock may be read a little later
    assert not expired.successful()


def test_remote_control_and_events_reach_another_process(app: Any) -> None:
    """The worker answers to inspect, and its events reach a receiver in this process."""
    assert app.app.control.inspect(timeout=WITHIN_S, limit=1).ping() == {
        "one@checked": {"ok": "pong"}
    }
    with app.app.connection_for_read() as connection:
        seen: list[dict[str, Any]] = []
        receiver = app.app.events.Receiver(connection, handlers={"task-succeeded": seen.append})
        events = receiver.itercapture(limit=None, timeout=WITHIN_S, wakeup=False)
        next(events)
        result = app.add.delay(1, 2)
        for _ in itertools.takewhile(lambda _: not seen, events):
            pass
        assert [event["uuid"] for event in seen] == [result.id]
        result.get(timeout=WITHIN_S)


def test_a_task_survives_the_worker_that_executes_it(broker: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of a task: another worker executes it, once, when the session ends."""
    notes, go = tmp_path / "notes", tmp_path / "go"
    notes.mkdir()
    breeder = Breeder.start(broker, notes, "--session-s", "10")
    application = app_of(broker, "zkmq")
    try:
        breeder.spawn()
        application.send_task("kills.wait", (1, str(go)))
        eventually(lambda: executed(notes)[0].get(1) is not None)
        (first,) = executed(notes)[0][1]
        os.kill(first, signal.SIGKILL)
        go.touch()
        breeder.spawn()
        eventually(lambda: executed(notes)[1].get(1) is not None)
        began, ended = executed(notes)
        assert sorted(began[1]) == sorted(breeder.alive)
        assert ended == {1: breeder.alive[-1:]}
    finally:
        breeder.close()
        close(application)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for a minute at most."""
    until_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)
