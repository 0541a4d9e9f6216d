"""Find a subject by its name, or by the `module:Class` of a user, and connect a client."""

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from harness.clients.guarded_subject import Guarded, Limit, unlimited
from harness.clients.subject import Note, Subject, SubjectConfig, subjects
from harness.clients.zkmq_subjects import RestZkmqSubject
from harness.common.harness_errors import ScenarioError, SubjectError, told
from harness.history.record import Value

_OWN: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_CALLS: Final[Mapping[str, tuple[str, int, frozenset[str]]]] = {
    "put": ("put(self, value, priority)", 3, frozenset()),
    "reserve": ("reserve(self, n, timeout_s, *, sync)", 3, frozenset({"sync"})),
    "done": ("done(self, items)", 2, frozenset()),
    "leftover": ("leftover(self)", 1, frozenset()),
    "close": ("close(self)", 1, frozenset()),
}
"""The methods that a subject must have: how each looks, and is called: so many arguments by place,
and those by name."""
_ONLY_IF_HELD: Final = frozenset({"done", "leftover"})

_added: list[str] = []  # what was put into sys.path for the last own subject
_from_folders: dict[str, list[str]] = {}  # by top module, where it was found


def is_own(kind: str) -> bool:
    """Tell whether it has the form `module:Class`."""
    return _OWN.fullmatch(kind) is not None


def find(kind: str, folders: Sequence[str] = ()) -> type[Subject]:
    """Return the class of a subject; the module of an own one may be in one of the folders.

    Raises:
        ScenarioError: it cannot be imported, or is no subject; says what is missing.
    """
    own = _OWN.fullmatch(kind)
    if own is None and kind in subjects.builtin:
        return subjects[kind]
    found = subjects[kind] if own is None else _attribute(kind, own[1], own[2], list(folders))
    require(kind, found)
    return cast(type[Subject], found)


def connect(config: SubjectConfig, note: Note, limit: Limit = unlimited) -> Subject:
    """Open one client of the queue under test; what it notices by itself goes to `note`.

    `limit` is put around each call of a subject that is not the harness's own.
    """
    if config.gateway:
        return RestZkmqSubject(config, note)
    made: Any = find(config.kind, config.folders)
    if config.kind in subjects.builtin:
        return cast(Subject, made(config, note))
    return cast(Subject, Guarded(made, config, note, limit))


def places(
    kind: str | None, folders: Sequence[str], nodes: Mapping[str, bytes], root: str
) -> dict[str, list[Value]]:
    """Sort a raw copy of a subject's tree into places; without one, as most queues store items.

    Raises:
        SubjectError: its own `places` failed, or returned something else.
    """
    sort = Subject.places if kind is None else _sorting(find(kind, folders))
    try:
        found = sort(nodes, root)
        return {str(place): list(values) for place, values in found.items()}
    except Exception as error:
        raise SubjectError(
            f"{kind}: places: expected values by place, got {told(error)}"
        ) from error


def has_places(kind: str | None, folders: Sequence[str]) -> bool:
    """Tell whether a subject itself sorts its tree; else its places are a guess."""
    return kind is not None and _sorting(find(kind, folders)) is not Subject.places


def _sorting(found: type[Subject]) -> Callable[..., Any]:
    sort: Callable[..., Any] = getattr(found, "places", Subject.places)
    return sort


def _attribute(kind: str, module: str, name: str, folders: list[str]) -> Any:
    imported = _imported(kind, module, folders)
    found = getattr(imported, name, None)
    if found is None:
        where = getattr(imported, "__file__", None) or module
        classes = [c for c in vars(imported).values() if isinstance(c, type)]
        own = sorted(c.__name__ for c in classes if c.__module__ == module)
        raise ScenarioError(f"{kind}: expected a class {name} in {where}, got {own or 'none'}")
    return found


def _imported(kind: str, module: str, folders: list[str]) -> ModuleType:
    _look_in(module.partition(".")[0], folders)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            places = " or ".join(["installed", *(f"in {folder}" for folder in folders)])
            raise ScenarioError(
                f"{kind}: expected module {error.name} {places}, got none"
            ) from error
        raise _not_imported(kind, module, error) from error
    except (Exception, SystemExit) as error:
        raise _not_imported(kind, module, error) from error


def _look_in(top: str, folders: list[str]) -> None:
    """Let these folders, and no former ones, be the last of sys.path.

    A module that came from a former scenario's folder is forgotten: this one may have another of
    the same name.
    """
    if _from_folders.get(top, folders) != folders:
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{top}.")]:
            del sys.modules[name]
    if top not in sys.modules:
        _from_folders[top] = folders
    for folder in _added:
        sys.path.remove(folder)
    _added[:] = [folder for folder in dict.fromkeys(folders) if folder not in sys.path]
    sys.path.extend(_added)
    importlib.invalidate_caches()


def _not_imported(kind: str, module: str, error: BaseException) -> ScenarioError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return ScenarioError(f"{kind}: expected to import {module}, got {told(error)}{where}")


def require(kind: str, found: Any) -> None:
    """Refuse what is no class, or lacks a method, or has one that cannot be called as needed.

    Raises:
        ScenarioError: says which, and how it will be called.
    """
    if not isinstance(found, type):
        raise ScenarioError(f"{kind}: expected a class, got {type(found).__name__}")
    takes, most = getattr(found, "takes", False), getattr(found, "most", None)
    if not isinstance(takes, bool):
        raise ScenarioError(f"{kind}: takes: expected True or False, got {takes!r:.80}")
    if most is not None and (type(most) is not int or most < 1):
        raise ScenarioError(f"{kind}: most: expected None or a number from 1, got {most!r:.80}")
    for name, (looks, given, named) in _CALLS.items():
        if takes and name in _ONLY_IF_HELD:
            continue
        method = getattr(found, name, None)
        if not callable(method) or method is getattr(Subject, name):
            raise ScenarioError(f"{kind}: expected a method {name}, got none in {_where(found)}")
        _require_call(kind, looks, method, given, named)
    _require_call(kind, "__init__(self, config, note)", found, 2, frozenset())


def _require_call(kind: str, looks: str, called: Any, given: int, named: frozenset[str]) -> None:
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        return  # written in C; the first call will tell
    try:
        signature.bind(*range(given), **dict.fromkeys(named))
    except TypeError as error:
        got = f"({', '.join(p.name for p in signature.parameters.values())}): {error}"
        raise ScenarioError(f"{kind}: expected {looks}, got {got}") from None


def _where(found: type) -> str:
    module = sys.modules.get(found.__module__)
    file = getattr(module, "__file__", None)
    return f"{found.__name__} of {Path(file) if file else found.__module__}"
