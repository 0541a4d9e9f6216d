"""A history read as columns is the history read event by event, whatever stands in its lines."""

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.history import columns, event_lines
from harness.history.columns import History
from worlds.histories import damage
from worlds.histories.by_hand import queue_events
from worlds.histories.random import Mix, as_events, simulate

CALL = {"time_ns": 1, "process": 0, "type": "ok", "f": "put", "value": 1}
NOTE = {"time_ns": 1, "process": "harness", "type": "info", "f": "drain", "value": {"phase": "end"}}
NUMBERS = ["0", "-0", "-1", "7", "007", "1.0", "1e3", "-", "+1", "2147483647", "2147483648"]
NUMBERS += [
    str(2**61),
    str(2**61 + 1),
    str(10**18),
    str(2**63 - 1),
    str(2**63),
    str(-(2**63)),
    str(2**64 + 5),
]
STRINGS = ['""', '"items"', '"7"', '"é"', r'"\u0041"', r'"\n\"\\"', r'"\x"', '"\t"', '"\x7f"', '"a']
OTHERS = ["null", "nul", "true", "[]", "[1]", "[1,2]", "{}", '{"a":1}', " 1", "1 ", "", "\x00"]
KEYS = ["index", "time_ns", "process", "type", "f", "value", "priority", "group", "n", "to"]
KEYS += ["delivery", "window", "zxid", "read_zxid", "session", "consumer", "producer", "attempts"]
KEYS += ["error", "other", "", "tim", "time_nss"]
MIX = Mix(unknown_put=0.1, unknown_reserve=0.1, crash=0.2, release=0.2, priorities=2, zxids=True)


def read(path: Path, monkeypatch: pytest.MonkeyPatch, *, scanned: bool) -> dict[str, Any]:
    """Return all that a history says, with its notes as data, read in one way or the other."""
    monkeypatch.setattr(columns, "SCAN_FROM_BYTES", 0 if scanned else 2**62)
    said = dict(vars(History.load(path)))
    said["notes"] = [msgspec.to_builtins(note) for note in said["notes"]]
    return said


def same(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether both ways of reading say the same, down to the types of the columns."""
    one, other = (read(path, monkeypatch, scanned=scanned) for scanned in (True, False))
    for name, column in one.items():
        assert _told(column) == _told(other[name]), (name, path.read_bytes()[:2000])
    return one.keys() == other.keys()


def _told(said: Any) -> str:
    """Return what differs if anything does: 1 from True, 0 from -0.0, int32 from int64."""
    return f"{said.dtype} {said.tolist()}" if isinstance(said, np.ndarray) else repr(said)


def pairs(event: dict[str, Any]) -> list[str]:
    """Return the members of a JSON object, each as it is spelled."""
    return [f'"{key}":{msgspec.json.encode(value).decode()}' for key, value in event.items()]


def joined(members: list[str]) -> str:
    """Return the object of these members, as a line without its end."""
    return "{" + ",".join(members) + "}"


def odd_line(rng: Random) -> str:
    """Return a call of which a few members were exchanged, repeated, moved or left out."""
    members = pairs(CALL | {"index": rng.randrange(3), "session": "s", "n": 1})
    rng.shuffle(members)
    for _ in range(rng.randint(1, 4)):
        value = rng.choice(rng.choice([NUMBERS, STRINGS, OTHERS]))
        members.insert(rng.randrange(len(members)), f'"{rng.choice(KEYS)}":{value}')
        del members[rng.randrange(len(members))]
    before, after = rng.choice([*[("", "")] * 4, ("{", ""), (" ", ""), ("", " "), ("", "}")])
    return before + joined(members) + after


def plain_line(rng: Random) -> str:
    """Return a call that the scan reads, with any of its keys, in any order."""
    value = rng.choice([*range(-2, 9), "a", "", "7", None])
    given = CALL | {"process": rng.choice([0, 1, "0", "worker"]), "value": value}
    given |= {"f": rng.choice(["put", "reserve", "take", "done", "release"])}
    given |= {"type": rng.choice(["invoke", "ok", "fail", "info"]), "time_ns": rng.randrange(2**59)}
    more = {key: rng.choice([0, 3, 2**31 - 1]) for key in ("priority", "n", "delivery", "window")}
    more |= {key: rng.choice([-1, 0, 2**40, None]) for key in ("zxid", "read_zxid")}
    more |= {key: rng.choice([1, "x", None]) for key in ("session", "consumer", "producer")}
    more |= {"to": rng.choice(["items", "dead"]), "attempts": 2, "error": 'a "b"\n', "index": 1}
    given |= {key: more[key] for key in more if rng.random() < 0.4}
    members = pairs(given)
    if rng.random() < 0.3:
        rng.shuffle(members)
    return joined(members)


def test_each_way_to_write_a_value_is_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands for the value of a key, alone or beside others, both ways say the same."""
    path = tmp_path / "h.jsonl"
    first, last = (joined(pairs(CALL | {"value": n})) for n in (1, 2))
    for key in KEYS:
        for value in (*NUMBERS, *STRINGS, *OTHERS):
            members = [m for m in pairs(CALL) if not m.startswith(f'"{key}"')]
            line = joined([*members, f'"{key}":{value}'])
            path.write_text(f"{first}\n{line}\n{last}\n")
            assert same(path, monkeypatch)


def test_a_key_that_stands_twice_is_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the values of one key only the last counts, and no other gets a number."""
    path = tmp_path / "h.jsonl"
    for key in KEYS:
        path.write_text(joined([*pairs(CALL), f'"{key}":7', f'"{key}":8']) + "\n")
        assert same(path, monkeypatch)


def test_lines_of_any_shape_are_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines as the harness writes them are scanned; one as it never would spoils no other."""
    path, rng = tmp_path / "h.jsonl", Random(7)
    note = joined(pairs(NOTE))
    for number in range(600):
        lines = [plain_line(rng) for _ in range(rng.randrange(1, 12))] + [note] * (number % 2)
        plain = number % 3 == 0
        lines += [] if plain else [odd_line(rng)]
        rng.shuffle(lines)
        path.write_text("\n".join(lines) + "\n" * (number % 5 > 0 or plain))
        assert same(path, monkeypatch)
        assert not plain or event_lines.calls(path.read_bytes()) is not None


@pytest.mark.parametrize("seed", range(4))
def test_runs_and_their_damage_are_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Simulated runs, whole, cut in each half, and damaged in a few steps."""
    path, rng = tmp_path / "h.jsonl", Random(seed)
    runs = [as_events(simulate(rng, MIX)) for _ in range(5)] + [queue_events(40)]
    for events in runs:
        whole = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        path.write_bytes(whole)
        assert event_lines.calls(whole) is not None
        assert same(path, monkeypatch)
        for _ in range(10):
            path.write_bytes(whole[: rng.randrange(len(whole))])
            assert same(path, monkeypatch)
            path.write_bytes(damage.lines(rng, whole.decode()))
            assert same(path, monkeypatch)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\n\n", b"{}\n", b"\xff\xfe\n", b"\0" * 9, b'{"time_ns":1\n,"process":0}\n'],
    ids=["empty", "newline", "newlines", "no-key", "not-utf-8", "zeros", "over-two-lines"],
)
def test_what_is_no_history_is_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A file without a single event, alone and behind a good line."""
    path = tmp_path / "h.jsonl"
    for before in (b"", msgspec.json.encode(CALL) + b"\n"):
        path.write_bytes(before + content)
        assert same(path, monkeypatch)


def test_chunks_share_what_they_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items, processes and sessions keep their numbers over chunks, also when one is decoded."""
    path, rng = tmp_path / "h.jsonl", Random(3)
    monkeypatch.setattr(event_lines, "_CHUNK_BYTES", 400)
    batch = joined(pairs(CALL | {"value": [7, 8], "group": "g"}))
    for _ in range(20):
        lines = [plain_line(rng) for _ in range(60)]
        lines[rng.randrange(60)] = batch
        path.write_text("\n".join(lines) + "\n")
        assert same(path, monkeypatch)
