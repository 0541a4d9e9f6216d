"""Lines of calls as columns of numbers, straight from their bytes, without an object for each.

The scan reads what the recording side writes: ASCII without spaces, each key once, one item or
none. A line with anything else in it is left to `harness.history.event_lines`, which decodes it, so
both must agree on every line that the scan accepts.
"""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.history.compiled import compiled

Numbers: TypeAlias = NDArray[Any]

# What the value of a key may be; INTERNED ones are numbered, other strings are passed over.
NUMBER, STRING, NULL, INTERNED, ESCAPES = 1, 2, 4, 8, 16
NAME: Final = NUMBER | STRING | INTERNED
_ANY: Final = (-(2**62), 2**62)  # more than fits into the DIGITS of a number
_WHOLE, _COUNT, _ZXID, _NS = (0, 2**62), (0, 2**31 - 1), (-1, 2**61), (0, 2**61)
_KEYS: Final[dict[str, tuple[int, tuple[int, int]]]] = {
    "index": (NUMBER, _WHOLE),
    "time_ns": (NUMBER, _NS),
    "process": (NAME, _ANY),
    "type": (STRING | INTERNED, _ANY),
    "f": (STRING | INTERNED, _ANY),
    "value": (NAME | NULL, _ANY),
    "priority": (NUMBER | NULL, _COUNT),
    "n": (NUMBER, _COUNT),
    "to": (STRING | INTERNED, _ANY),
    "delivery": (NUMBER | NULL, _COUNT),
    "window": (NUMBER | NULL, _COUNT),
    "zxid": (NUMBER | NULL, _ZXID),
    "read_zxid": (NUMBER | NULL, _ZXID),
    "session": (NAME | NULL, _ANY),
    "consumer": (NUMBER | STRING | NULL, _ANY),
    "producer": (NUMBER | STRING | NULL, _ANY),
    "attempts": (NUMBER, _ANY),
    "error": (STRING | ESCAPES, _ANY),
}
REQUIRED: Final = sum(1 << list(_KEYS).index(key) for key in ("time_ns", "process", "type", "f"))
_SPELLED: Final = [f'{key}":'.encode() for key in _KEYS]
_KEY_BYTES: Final = np.frombuffer(b"".join(_SPELLED), np.uint8)
_RULES: Final = np.array(
    [
        [*(allowed for allowed, _ in _KEYS.values()), 0],
        [*(least for _, (least, _) in _KEYS.values()), 0],
        [*(most for _, (_, most) in _KEYS.values()), 0],
        np.cumsum([0, *map(len, _SPELLED)]),
        np.zeros(len(_KEYS) + 1),
    ],
    np.int64,
)
ALLOWED, LEAST, MOST, STARTS, NEXT = range(5)
FIRST, PAST, KEY, VALUE, SLOT = range(5)
ABSENT: Final = -1
TEXT: Final = 2**62  # in place of a word's number
DIGITS: Final = 18
OPEN, CLOSE, QUOTE, COMMA, BACKSLASH, MINUS, ZERO, NINE, NEWLINE = b'{}",\\-09\n'
SPACE, DELETE, N, U, L = b" \x7fnul"
ESCAPED: Final = tuple(b'"\\/bfnrt')


class Scan(NamedTuple):
    """A chunk of lines as columns.

    Attributes:
        columns: by key, a number for each line; ABSENT where the line has none, or null. For an
            interned key, it is the number of a word.
        words: by interned key, its distinct values, in the order of their first lines.
        places: by interned key, the numbers of its words.
        odd: the lines that could not be read.
    """

    chunk: bytes
    begin: Numbers
    columns: dict[str, Numbers]
    words: dict[str, list[int | str]]
    places: dict[str, Numbers]
    odd: list[int]

    def line(self, place: int) -> bytes:
        """Return a line, with its newline."""
        return self.chunk[self.begin[place] : self.begin[place + 1]]


def scan(chunk: bytes) -> Scan:
    """Read a chunk of whole lines; the last one ends with its newline, too. O(n)."""
    text = np.frombuffer(chunk, np.uint8)
    lines = int(np.count_nonzero(text == NEWLINE))
    rows = np.full((len(_KEYS), lines), ABSENT, np.int64)
    begin, read = np.zeros(lines + 1, np.int64), np.zeros(lines, np.bool_)
    most = lines * sum(bool(allowed & INTERNED) for allowed, _ in _KEYS.values())
    slots, words = np.full(1 << most.bit_length(), ABSENT, np.int32), np.empty((5, most), np.int64)
    keys = (_KEY_BYTES, _RULES.copy())
    count = compiled(scan_lines)(text, keys, rows, (begin, read), (slots, words))
    rows[:, ~read] = ABSENT
    values, of_key = _values(chunk, words[:, :count]), words[KEY, :count]
    interned = {name: number for number, name in enumerate(_KEYS) if _KEYS[name][0] & INTERNED}
    places = {name: np.flatnonzero(of_key == number) for name, number in interned.items()}
    return Scan(
        chunk=chunk,
        begin=begin,
        columns=dict(zip(_KEYS, rows, strict=True)),
        words={name: [values[word] for word in places[name].tolist()] for name in interned},
        places=places,
        odd=np.flatnonzero(~read).tolist(),
    )


def _values(chunk: bytes, words: Numbers) -> list[int | str]:
    """Return what each word says."""
    values: list[int | str] = words[VALUE].tolist()
    for word in np.flatnonzero(words[VALUE] == TEXT).tolist():
        values[word] = chunk[words[FIRST, word] + 1 : words[PAST, word] - 1].decode()
    return values


def scan_lines(
    text: Numbers,
    keys: tuple[Numbers, Numbers],
    rows: Numbers,
    lines: tuple[Numbers, Numbers],
    interned: tuple[Numbers, Numbers],
) -> int:
    """Read each line into its column of `rows`; return how many words were interned.

    No function here looks beyond the end of the text: none accepts its last byte, a newline.
    """
    begin, read = lines
    line = at = count = 0
    while at < len(text):
        end, more = scan_line(text, (at, count), keys, rows[:, line], interned)
        read[line] = end >= 0
        count = more if read[line] else forget(interned, count, more)
        at = max(at, end)
        while byte(text, at) != NEWLINE:
            at += 1
        at += 1
        line += 1
        begin[line] = at
    return count


def scan_line(
    text: Numbers,
    start: tuple[int, int],
    keys: tuple[Numbers, Numbers],
    row: Numbers,
    interned: tuple[Numbers, Numbers],
) -> tuple[int, int]:
    """Read a line into `row`, from (its place, how many words there are) to the same at its end.

    That place is -1 if the line cannot be read.
    """
    (at, count), (names, rules), (slots, words) = start, keys, interned
    seen, key, before = 0, -1, OPEN
    while byte(text, at) == before:
        last = key
        key, first = key_at(text, at + 1, names, rules, last)
        if key < 0 or seen >> key & 1:
            return -1, count
        rules[NEXT, last] = key
        number, at = value_at(text, first, rules[:, key])
        if at < 0:
            return -1, count
        if rules[ALLOWED, key] & INTERNED and byte(text, first) != N:
            number = TEXT if byte(text, first) == QUOTE else number
            slot = slot_of(text, (first, at, key, number), slots, words)
            if slots[slot] == ABSENT:
                words[FIRST, count], words[PAST, count], words[KEY, count] = first, at, key
                words[VALUE, count], words[SLOT, count] = number, slot
                slots[slot] = count
                count += 1
            number = slots[slot]
        row[key] = number
        seen, before = seen | 1 << key, COMMA
    whole = (
        seen & REQUIRED == REQUIRED and byte(text, at) == CLOSE and byte(text, at + 1) == NEWLINE
    )
    return (at + 1 if whole else -1), count


def forget(interned: tuple[Numbers, Numbers], count: int, more: int) -> int:
    """Take the latest words back, so that there are `count` again."""
    slots, words = interned
    for word in range(count, more):
        slots[words[SLOT, word]] = ABSENT
    return count


def byte(text: Numbers, at: int) -> int:
    """Return a byte; a place without a sign saves the look whether it counts from the end."""
    code: int = text[np.uint64(at)]
    return code


def key_at(text: Numbers, at: int, names: Numbers, rules: Numbers, last: int) -> tuple[int, int]:
    """Return which key begins here, and where its value does; -1 for an unknown one.

    The key that followed the last one before is tried first.
    """
    if byte(text, at) != QUOTE:
        return -1, -1
    guess = rules[NEXT, last]
    end = spelled(text, at + 1, names, rules[STARTS, guess], rules[STARTS, guess + 1])
    if end >= 0:
        return guess, end
    for key in range(rules.shape[1] - 1):
        end = spelled(text, at + 1, names, rules[STARTS, key], rules[STARTS, key + 1])
        if end >= 0:
            return key, end
    return -1, -1


def spelled(text: Numbers, at: int, names: Numbers, first: int, past: int) -> int:
    """Return the place behind this part of `names` if it stands here, else -1."""
    for place in range(first, past):
        if byte(text, at) != byte(names, place):
            return -1
        at += 1
    return at


def value_at(text: Numbers, at: int, rule: Numbers) -> tuple[int, int]:
    """Return the number that begins here, ABSENT for another value, and its end; -1 for a bad one.

    What is not allowed here is bad, too.
    """
    allowed = rule[ALLOWED]
    if byte(text, at) == QUOTE and allowed & STRING:
        return ABSENT, string_end(text, at + 1, allowed & ESCAPES)
    if byte(text, at) == N and allowed & NULL:
        null = byte(text, at + 1) == U and byte(text, at + 2) == L and byte(text, at + 3) == L
        return ABSENT, at + 4 if null else -1
    number, end = number_at(text, at)
    good = allowed & NUMBER and rule[LEAST] <= number <= rule[MOST]
    return (number, end) if good else (ABSENT, -1)


def string_end(text: Numbers, at: int, escapes: int) -> int:
    """Return the place behind the string's closing quote; -1 if it has more than plain ASCII."""
    while byte(text, at) != QUOTE:
        if byte(text, at) == BACKSLASH and escapes and byte(text, at + 1) in ESCAPED:
            at += 1
        elif byte(text, at) < SPACE or byte(text, at) >= DELETE or byte(text, at) == BACKSLASH:
            return -1
        at += 1
    return at + 1


def number_at(text: Numbers, at: int) -> tuple[int, int]:
    """Return the whole number that begins here, and its end; -1 for one spelled in another way."""
    negative = byte(text, at) == MINUS
    first = at = at + negative
    number = 0
    while ZERO <= byte(text, at) <= NINE:
        number = 10 * number + byte(text, at) - ZERO
        at += 1
    digits = at - first
    if digits == 0 or digits > DIGITS or (byte(text, first) == ZERO and (digits > 1 or negative)):
        return ABSENT, -1
    return -number if negative else number, at


def slot_of(text: Numbers, word: tuple[int, int, int, int], slots: Numbers, words: Numbers) -> int:
    """Return the slot of a word (first, past, key, number): that of an equal one, or a free one."""
    first, past, key, number = word
    code = key * 31 + number
    if number == TEXT:
        for at in range(first, past):
            code = (code * 31 + byte(text, at)) & 0xFFFFFFFF
    slot = ((code & 0xFFFFFFFF) * 0x9E3779B1 >> 7) & (len(slots) - 1)
    while slots[slot] != ABSENT:
        known = slots[slot]
        if key == words[KEY, known] and number == words[VALUE, known]:
            begin = words[FIRST, known]
            if number != TEXT or spelled(text, begin, text, first, past) == words[PAST, known]:
                break
        slot = (slot + 1) & (len(slots) - 1)
    return slot
