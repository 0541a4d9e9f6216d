"""The parts of queues over HTTP, without a queue."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

import zkmq
from zkmq import errors
from zkmq.putting.batches import writes_of
from zkmq.putting.entry import Entry
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.queues.error_translation import from_http, to_http
from zkmq.rest.queues.group_commit import GroupCommit, fits_one_write
from zkmq.rest.queues.idempotency import IdempotentAnswers
from zkmq.rest.queues.json_arguments import JsonArguments


class TestOnce:
    """Answers by key."""

    def test_same_answer(self) -> None:
        """The work is done once for a key, also when asked for while it is being done."""

        async def run() -> tuple[list[int], int]:
            once: IdempotentAnswers[int] = IdempotentAnswers(10)
            done = 0

            async def work() -> int:
                nonlocal done
                await asyncio.sleep(0.01)
                done += 1
                return done

            answers = await asyncio.gather(*(once.do("k", 1, work) for _ in range(5)))
            return [*answers, await once.do("k", 1, work)], done

        assert asyncio.run(run()) == ([1] * 6, 1)

    def test_no_key(self) -> None:
        """Without a key each call is work of its own."""

        async def run() -> list[int]:
            once: IdempotentAnswers[int] = IdempotentAnswers(10)
            numbers = iter(range(9))

            async def work() -> int:
                return next(numbers)

            return [await once.do(None, 1, work) for _ in range(2)]

        assert asyncio.run(run()) == [0, 1]

    def test_failures_are_not_kept(self) -> None:
        """After a failure the client may try again with its key."""

        async def run() -> int:
            once: IdempotentAnswers[int] = IdempotentAnswers(10)
            outcomes = iter([ValueError("first"), 7])

            async def work() -> int:
                outcome = next(outcomes)
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            with pytest.raises(ValueError, match="first"):
                await once.do("k", 1, work)
            return await once.do("k", 1, work)

        assert asyncio.run(run()) == 7

    def test_other_request(self) -> None:
        """A key for another request is 422."""

        async def run() -> None:
            once: IdempotentAnswers[int] = IdempotentAnswers(10)

            async def work() -> int:
                return 1

            await once.do("k", 1, work)
            with pytest.raises(HttpError) as caught:
                await once.do("k", 2, work)
            assert caught.value.status == 422

        asyncio.run(run())

    def test_bounded(self) -> None:
        """Only so many answers are kept, the last."""

        async def run() -> int:
            once: IdempotentAnswers[int] = IdempotentAnswers(3)
            count = 0

            async def work() -> int:
                nonlocal count
                count += 1
                return count

            for key in "abcd":
                await once.do(key, 1, work)
            await once.do("d", 1, work)
            await once.do("a", 1, work)
            return count

        assert asyncio.run(run()) == 5

    def test_bounded_by_size(self) -> None:
        """A large answer takes the place of several, and the last is kept whatever its size."""

        async def run() -> list[str]:
            done: list[str] = []
            once: IdempotentAnswers[str] = IdempotentAnswers(5, len)

            async def ask(key: str, answer: str) -> None:
                async def work() -> str:
                    done.append(key)
                    return answer

                await once.do(key, 1, work)

            for key, answer in (("a", "x"), ("b", "x"), ("c", "xxxx"), ("b", "x"), ("a", "x")):
                await ask(key, answer)
            await ask("d", "x" * 50)
            await ask("d", "")
            return done

        assert asyncio.run(run()) == ["a", "b", "c", "a", "d"]

    def test_survives_its_client(self) -> None:
        """The work goes on when the client that asked first goes away."""

        async def run() -> int:
            once: IdempotentAnswers[int] = IdempotentAnswers(3)

            async def work() -> int:
                await asyncio.sleep(0.02)
                return 1

            first = asyncio.ensure_future(once.do("k", 1, work))
            await asyncio.sleep(0.005)
            first.cancel()
            return await once.do("k", 1, work)

        assert asyncio.run(run()) == 1


class Writes:
    """A queue that notes what is put together."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.error: Exception | None = None

    async def put_many(self, entries: Sequence[Entry]) -> list[zkmq.Put]:
        """Put."""
        self.groups.append([entry.data for entry in entries])
        await asyncio.sleep(0.005)
        if self.error:
            raise self.error
        zxid = len(self.groups)
        return [zkmq.Put(entry.data.decode(), zxid, 1) for entry in entries]


class TestGroupCommit:
    """Requests that come together go together."""

    def test_gathers(self) -> None:
        """While one write is on its way the next gathers; each request gets its own puts."""

        async def run() -> tuple[list[list[bytes]], list[list[str | None]]]:
            writes = Writes()
            group = GroupCommit(writes.put_many)
            requests = [[b"a"], [b"b", b"c"], [b"d"]]
            tasks = [
                asyncio.ensure_future(group.put([Entry(data=data) for data in request]))
                for request in requests
            ]
            answers = [[put.name for put in await task] for task in tasks]
            return writes.groups, answers

        groups, answers = asyncio.run(run())
        assert [data for each in groups for data in each] == [b"a", b"b", b"c", b"d"]
        assert len(groups) <= 2
        assert answers == [["a"], ["b", "c"], ["d"]]

    def test_never_more_than_one_write(self) -> None:
        """A group is at most 500 items and 256 KiB, so that a request takes effect as a whole."""

        async def run() -> list[list[bytes]]:
            writes = Writes()
            group = GroupCommit(writes.put_many)
            small = [group.put([Entry(data=b"s")] * 200) for _ in range(5)]
            large = [group.put([Entry(data=bytes(200_000))]) for _ in range(2)]
            await asyncio.gather(*small, *large)
            return writes.groups

        groups = asyncio.run(run())
        assert max(len(each) for each in groups) == 400
        assert max(sum(len(data) + 200 for data in each) for each in groups) <= 256 * 1024
        assert sum(len(each) for each in groups) == 1002

    @pytest.mark.parametrize(
        "error", [zkmq.NoQuorumError("away"), RuntimeError("can't start new thread")], ids=repr
    )
    def test_failure(self, error: Exception) -> None:
        """What becomes of a write is told to every request in it, and the next goes on."""

        async def run() -> list[Any]:
            writes = Writes()
            group = GroupCommit(writes.put_many)
            writes.error = error
            failed = await asyncio.gather(
                *(group.put([Entry(data=b"x")]) for _ in range(3)), return_exceptions=True
            )
            writes.error = None
            return [*failed, await group.put([Entry(data=b"y")])]

        *failed, fine = asyncio.run(run())
        assert [type(each) for each in failed] == [type(error)] * 3
        assert fine[0].name == "y"


def test_writes_of() -> None:
    """Entries are cut by number and size; one that is too large alone is alone."""
    sizes = [10, 10, 300_000, 10, 100_000, 100_000, 100_000]
    entries = [Entry(data=bytes(size)) for size in sizes]
    parts = [[len(entry.data) for entry in part] for part in writes_of(entries, 500)]
    assert parts == [[10, 10], [300_000], [10, 100_000, 100_000], [100_000]]
    assert [len(part) for part in writes_of(entries[:2] * 5, 3)] == [3, 3, 3, 1]
    assert list(writes_of([], 3)) == []
    assert fits_one_write(entries[2:3])
    assert not fits_one_write(entries[:3])


ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ZkmqError)
]


class TestFaults:
    """The queue's errors on the wire."""

    @pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
    def test_round_trip(self, kind: type[errors.ZkmqError]) -> None:
        """What arrives is never more definite than what was raised, and at least as special."""
        error = kind.__new__(kind)
        Exception.__init__(error, "why")
        http = to_http(error, "q")
        back = from_http(http.status, {"message": http.message, **http.extra})
        assert back.definite is error.definite
        assert "why" in str(back)
        assert isinstance(error, type(back)) or kind in (errors.PartlyPutError, errors.ZkmqError)
        assert (http.extra.get("outcome") == "unknown") is not error.definite

    @pytest.mark.parametrize(
        ("status", "body", "definite"),
        [(500, {}, False), (502, {}, False), (504, {"outcome": "unknown"}, False), (400, {}, True),
         (401, {}, True), (404, {"message": "no such resource"}, True)],
    )  # fmt: skip
    def test_others(self, status: int, body: dict[str, str], definite: bool) -> None:  # noqa: FBT001
        """Answers of other parts of the way are judged by their status: 5xx is unknown."""
        assert from_http(status, body).definite is definite


class TestFields:
    """JSON arguments."""

    @pytest.mark.parametrize("value", [None, [], "x", 5, {"other": 1}])
    def test_not_an_object(self, value: object) -> None:
        """Only an object with known keys is taken."""
        with pytest.raises(HttpError):
            JsonArguments(value, "q", "n")

    @pytest.mark.parametrize("value", ["1", True, None, 0, 11, math.nan, math.inf, [1]])
    def test_no_number(self, value: object) -> None:
        """Numbers are numbers, within their bounds."""
        with pytest.raises(HttpError, match="n: expected"):
            JsonArguments({"n": value}, "q", "n").number("n", 5, least=1, most=10)

    @pytest.mark.parametrize("value", [1.0, "1", True, 0, 11])
    def test_no_integer(self, value: object) -> None:
        """Integers are integers."""
        with pytest.raises(HttpError):
            JsonArguments({"n": value}, "q", "n").integer("n", 5, least=1, most=10)

    @pytest.mark.parametrize("value", ["a", [1], [None], {"a": 1}])
    def test_no_texts(self, value: object) -> None:
        """A list of strings is that."""
        with pytest.raises(HttpError):
            JsonArguments({"ids": value}, "q", "ids").texts("ids")

    def test_good(self) -> None:
        """What is right is returned, and what is missing has its default."""
        fields = JsonArguments(
            {"n": 3, "ids": ["a"], "data64": "eA==", "f": True, "t": "b"},
            "q", "n", "ids", "data64", "f", "t", "none",
        )  # fmt: skip
        assert fields.integer("n", 1, least=1, most=5) == 3
        assert fields.integer("none", 1, least=1, most=5) == 1
        assert fields.texts("ids", required=True) == ["a"]
        assert fields.data("data64") == b"x"
        assert fields.flag("f")
        assert fields.text("t", "a", "a", "b") == "b"
        assert fields.has("n")
        assert not fields.has("none")
        with pytest.raises(HttpError):
            fields.text("t", "a", "a")
        with pytest.raises(HttpError):
            fields.texts("none", required=True)


def test_a_mapping_has_texts_alone() -> None:
    """The headers of an item: absent, or an object of strings."""
    given = {"good": {"a": "b"}, "number": {"a": 1}, "list": ["a"]}
    arguments = JsonArguments(given, "jobs[0]", "good", "number", "list")
    assert arguments.mapping("good") == {"a": "b"}
    assert arguments.mapping("absent") == {}
    for name in ("number", "list"):
        with pytest.raises(HttpError, match=f"{name}: expected an object of strings"):
            arguments.mapping(name)
