"""Files as nobody should write them: good ones, cut, spliced, and with the worst of values in them.

Structure-aware: a mutation of what a file says reaches deeper than one of its bytes, so both are
made. Everything is drawn from one seed.
"""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

WORDS = re.compile(r"\s+|\w+|[^\w\s]")
MOST_STEPS = 4
MOST_REPEATS = 200
YAML_VALUES = (
    *(
        "",
        "null",
        "true",
        "-1",
        "0",
        "1",
        "1.0e-300",
        "1e308",
        ".inf",
        ".nan",
        "-.inf",
        "0x_",
        "0o7",
    ),
    *(
        "1:60:60",
        "9223372036854775808",
        "-9223372036854775809",
        "9" * 5000,
        "2011-13-45",
        "2011-11-11",
    ),
    *(
        "!!timestamp foo",
        "!!int x",
        "!!bool x",
        "!!float x",
        "!!binary x",
        "!!set {a}",
        "!!omap [a]",
    ),
    *(
        "!!python/object:os.system x",
        "&a [*a]",
        "*a",
        "&a",
        "{}",
        "[]",
        "[[]]",
        "{a: {}}",
        "? [a]\n: 1",
    ),
    *(
        '"\\0"',
        '"\\ud800"',
        '"\\e[31m"',
        '"a\\nb"',
        "'",
        '"',
        "leader",
        "all",
        "majority",
        "node 9",
    ),
    *(
        "<<: *a",
        "---\n",
        "...\n",
        "%YAML 9.9\n",
        "- ",
        "- - - -",
        "[" * 50,
        "{a: " * 50,
        "\t",
        "\x07",
    ),
    *(
        "\u2028",
        "\ufeff",
        "heal: all",
        "every_s: 1.0e-300",
        "times: 1000000000",
        "weight: 1",
        "|",
        ">",
        "#",
    ),
)
JSON_VALUES = (
    *("null", "true", "false", "-1", "0", "1", "1.5", "1e999", "-0", "NaN", "9223372036854775808"),
    *("1" + "0" * 40, "1" + "0" * 5000, "4611686018427387904", "2305843009213693952", '""', '"x"'),
    *(
        '"\\ud800"',
        '"\\u0000"',
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "[1,1]",
        '{"a":1}',
        "[" * 2000,
        '"info"',
    ),
    *(
        '"invoke"',
        '"ok"',
        '"fail"',
        '"put"',
        '"reserve"',
        '"take"',
        '"done"',
        '"release"',
        '"nemesis"',
    ),
    *(
        '"harness"',
        '"tree"',
        '"session-end"',
        '"returned"',
        '"drain"',
        '"inject"',
        '"heal"',
        "2147483648",
    ),
)
FILES = ("scenario.yaml", "history.jsonl", "plan.jsonl", "results.json", "versions.json")


def scenario(rng: Random, texts: list[str]) -> bytes:
    """Return the text of a scenario that was damaged in a few steps."""
    text = rng.choice(texts)
    structured = rng.random() < 0.7
    if structured:
        text = yaml.safe_dump(_tree(rng, yaml.safe_load(text)), sort_keys=False)
    for _ in range(rng.choice((0, 0, 1)) if structured else rng.randint(1, MOST_STEPS)):
        text = _text(rng, text, YAML_VALUES, rng.choice(texts))
    return _bytes(rng, text)


def lines(rng: Random, text: str) -> bytes:
    """Return a history, or a plan, that was damaged in a few steps."""
    rows = text.splitlines()
    for _ in range(rng.randint(1, MOST_STEPS)):
        rng.choice(_LINE_STEPS)(rng, rows)
    end = "\n" if rng.random() < 0.9 else ""
    return _bytes(rng, "\n".join(rows) + end)


def document(rng: Random, text: str) -> bytes:
    """Return a JSON file that was damaged in a few steps."""
    for _ in range(rng.choice((1, 1, 2))):
        text = _json(rng, text) if rng.random() < 0.9 else _json_text(rng, text)
    return _bytes(rng, text)


def _tree(rng: Random, data: Any) -> Any:
    """Change what a document says at a few places: drop, repeat, exchange, wrap, replace."""
    for _ in range(rng.randint(1, MOST_STEPS)):
        places = list(_places(data))
        if not places:
            return data
        holder, key = rng.choice(places)
        other, other_key = rng.choice(places)
        step = rng.randrange(6)
        if step == 0:
            del holder[key]
        elif step == 1:
            holder[key] = json.loads(json.dumps(other[other_key], default=str))
        elif step == 2:
            # Of what holds more only a few: one of many of many would never end here.
            many = 2 if isinstance(holder[key], dict | list) else MOST_REPEATS
            holder[key] = [holder[key]] * rng.choice((1, 2, many))
        elif step == 3:
            holder[key] = {rng.choice(("a", "name", "kill", "node")): holder[key]}
        elif step == 4 and isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(other[other_key], default=str)))
        else:
            holder[key] = rng.choice(
                (None, True, -1, 0, 1e-300, 1e308, 2**70, "", "x", [], {}, 1.5)
            )
    return data


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Return (what holds it, key) of everything in a document."""
    found: list[tuple[Any, Any]] = []
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        found.append((data, key))
        found += _places(data[key])
    return found


def _text(rng: Random, text: str, values: tuple[str, ...], other: str) -> str:
    """Change a text at one place: a word, a line, or the rest of it."""
    words = WORDS.findall(text) or [""]
    at, to = rng.randrange(len(words)), rng.randrange(len(words))
    step = rng.randrange(9)
    if step < 3:
        words[at] = rng.choice(values)
    elif step == 3:
        words[at:at] = [rng.choice(values), " "]
    elif step == 4:
        words[at], words[to] = words[to], words[at]
    elif step == 5:
        del words[at : at + rng.randint(1, 5)]
    elif step == 6:
        words[at:at] = words[min(at, to) : max(at, to)]
    elif step == 7:
        return "".join(words[:at]) + other[rng.randrange(len(other)) :]
    else:
        whole = text.splitlines(keepends=True) or [""]
        line = rng.randrange(len(whole))
        whole[line:line] = [whole[line]] * rng.choice((1, 2, MOST_REPEATS))
        return "".join(whole)
    return "".join(words)


def _json(rng: Random, text: str) -> str:
    """Replace one value of a JSON document, or drop its key."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _json_text(rng, text)
    places = list(_places(data))
    if not places:
        return rng.choice(JSON_VALUES)
    holder, key = rng.choice(places)
    step = rng.randrange(4)
    if step == 0:
        del holder[key]
    elif step == 1:
        other, other_key = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[other_key]))
    else:
        holder[key] = "@@"
    return json.dumps(data).replace('"@@"', rng.choice(JSON_VALUES))


def _json_text(rng: Random, text: str) -> str:
    return _text(rng, text, JSON_VALUES, text or " ")


def _in_line(rng: Random, rows: list[str]) -> None:
    if rows:
        at = rng.randrange(len(rows))
        rows[at] = _json(rng, rows[at])


def _drop(rng: Random, rows: list[str]) -> None:
    if rows:
        at = rng.randrange(len(rows))
        del rows[at : at + rng.choice((1, 1, 3, len(rows)))]


def _repeat(rng: Random, rows: list[str]) -> None:
    if rows:
        rows.insert(rng.randrange(len(rows) + 1), rng.choice(rows))


def _exchange(rng: Random, rows: list[str]) -> None:
    if rows:
        at, to = rng.randrange(len(rows)), rng.randrange(len(rows))
        rows[at], rows[to] = rows[to], rows[at]


def _cut(rng: Random, rows: list[str]) -> None:
    if rows:
        at = rng.randrange(len(rows))
        rows[at] = rows[at][: rng.randrange(len(rows[at]) + 1)]


_LINE_STEPS: tuple[Callable[[Random, list[str]], None], ...] = (
    *(_in_line, _in_line, _in_line, _in_line),
    *(_drop, _repeat, _exchange, _cut),
)


def _bytes(rng: Random, text: str) -> bytes:
    """Return the text's bytes; once in a while cut, or with one changed."""
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    chance = rng.random()
    if data and chance < 0.05:
        data[rng.randrange(len(data))] = rng.randrange(256)
    elif chance < 0.1:
        del data[rng.randrange(len(data) + 1) :]
    return bytes(data)
