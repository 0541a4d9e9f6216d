"""Raise an exception in a call wherever CPython may run a signal's handler.

    for place in count(1):
        if not interrupted(place, lambda: queue.put(b"x"), within=QUEUE):
            break                                  # the call has fewer places than that
        ...                                        # judge what became of it

The interpreter runs handlers in the main thread at the entry of a function, at a backward jump,
after a call of a function written in C, and within one that waits. It runs none between an object
and its `with`, if both of that object's methods are written in C, as those of a lock are.
"""

import dis
import inspect
import linecache
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import kazoo

import zkmq

QUEUE = (str(Path(zkmq.__file__).parent),)
# Python code that runs in the calling thread of a call on a real session.
SESSION = (
    f"{QUEUE[0]}/zookeeper/",
    str(Path(kazoo.__file__).parent),
    threading.__file__,
)
SIMULATED = tuple(str(Path(__file__).parent / name) for name in ("memory", "sim"))
CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
CHECKED_AFTER = CALLS | {"JUMP_BACKWARD", "RESUME"}
# Who makes an object calls a function in C, which calls these.
MADE_BY = frozenset({"__init__", "__post_init__", "__new__"})
# From Python 3.12 on, a list comprehension is no function, whose entry is a place.
HAS_MORE_PLACES = sys.version_info < (3, 12)
# Of each offset: whether handlers may run after it, whether it may wait. None: it has no line.
Instructions = dict[int, tuple[bool, bool] | None]
WAITS = re.compile(r"\b(acquire|get|sleep|wait|wait_for|join|send|select)\(")


class JobTimeoutError(Exception):
    """What a handler of SIGALRM raises: no error of the queue's."""


class Interrupt:
    """A trace function that raises at the place of that number, in the files of `within`.

    With `anew` it demands the instructions of each function once more, for the call after this one.
    """

    def __init__(self, place: int, within: tuple[str, ...] = QUEUE, *, anew: bool = False) -> None:
        self._left = place
        self._within = within
        self._anew = anew

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        """Trace a frame that is entered: its entry is a place."""
        caller = frame.f_back.f_trace if frame.f_back is not None else None
        if isinstance(caller, _Traced) and frame.f_code.co_name not in MADE_BY:
            caller.entered_python = True
        if not frame.f_code.co_filename.startswith(self._within) or self._is_aside(frame.f_back):
            return None
        if self._anew:
            frame.f_trace_opcodes = False
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        traced = _Traced(self, _instructions(frame.f_code))
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
            traced.checked = True  # unless it is being closed, which is no entry
        else:
            self.come(frame)
        return traced

    def _is_aside(self, caller: FrameType | None) -> bool:
        """Whether it is called by a simulated world, or for it: really it has another thread."""
        if caller is None:
            return False
        name = caller.f_code.co_filename
        return name.startswith(SIMULATED) or (
            name.startswith(self._within) and caller.f_trace is None
        )

    def come(self, frame: FrameType) -> None:
        """Count a place, and raise if it is the one."""
        self._left -= 1
        if not self._left:
            where = f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_qualname})"
            raise JobTimeoutError(where)


class _Traced:
    """One frame that is traced."""

    def __init__(self, interrupt: Interrupt, instructions: Instructions) -> None:
        self.entered_python = False
        self.checked = False
        self._interrupt = interrupt
        self._instructions = instructions

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        # Since 3.12 a generator that is closed has instructions of no line, where no handler runs.
        if event != "opcode" or (now := self._instructions[frame.f_lasti]) is None:
            return self
        # The interpreter looks for no signal when a function that it interprets has returned.
        comes = self.checked and not self.entered_python
        self.checked, may_wait = now
        self.entered_python = False
        if comes or may_wait:
            self._interrupt.come(frame)
        return self


def interrupted(
    place: int, call: Callable[[], object], within: tuple[str, ...] = QUEUE
) -> JobTimeoutError | None:
    """Call, and raise at that place; return what was raised, or None if there are fewer places.

    What was raised keeps the frames of the call, as in a program that logs it later.
    """
    before = sys.gettrace()
    sys.settrace(Interrupt(place, within))
    try:
        call()
    except JobTimeoutError as error:
        return error
    finally:
        sys.settrace(before)
    return None


def warm_up(call: Callable[[], object], within: tuple[str, ...] = QUEUE) -> None:
    """Make a call like the next interrupted one, where CPython reports all places only then.

    3.12 reports no instruction to the first trace function of a process. 3.13 reports none of a
    function's first traced call, nor of the one after a call that was not traced.
    """
    if sys.version_info < (3, 12) or (sys.version_info < (3, 13) and _warmed):
        return
    _warmed.append(True)
    before = sys.gettrace()
    sys.settrace(Interrupt(sys.maxsize, within, anew=True))
    try:
        call()
    finally:
        sys.settrace(before)


_warmed: list[bool] = []
_known: dict[CodeType, Instructions] = {}


def _instructions(code: CodeType) -> Instructions:
    """What there is to know of a function's instructions, which are too many to ask each time."""
    if code not in _known:
        _known[code] = {each.offset: _about(each, code) for each in dis.get_instructions(code)}
    return _known[code]


def _about(instruction: dis.Instruction, code: CodeType) -> tuple[bool, bool] | None:
    if instruction.positions is None or (number := instruction.positions.lineno) is None:
        return None
    line = linecache.getline(code.co_filename, number)
    waits = instruction.opname in CALLS and WAITS.search(line) is not None
    return instruction.opname in CHECKED_AFTER, waits
