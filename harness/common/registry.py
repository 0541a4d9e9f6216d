"""Registries of faults, workloads and checkers by name, and the types of their settings."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.common.harness_errors import ScenarioError

CLOCK_REREAD_S = 2.0  # libfaketime caches a time for 1 s, counted in whole seconds
LEAST_JUMP_S = 5.0  # on a busy machine, two looks at a clock may be almost as far apart


def _seen(offset_s: float) -> float:
    if abs(offset_s) < LEAST_JUMP_S:
        told = f"at least {LEAST_JUMP_S:g} s either way, since less cannot be seen for certain"
        raise ValueError(f"expected {told}, got {offset_s:g}")
    return offset_s


def _reread(period_s: float) -> float:
    least_s = 2 * CLOCK_REREAD_S
    if period_s < least_s:
        told = f"at least {least_s:g} s, since a server rereads its clock each {CLOCK_REREAD_S:g} s"
        raise ValueError(f"expected {told}, got {period_s:g}")
    return period_s


# Types of fields that are YAML keys: they carry their own bounds into the schema and its errors.
MAX_SECONDS = 1e6  # eleven days: longer than any run, and short enough for every clock and wait
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$", max_length=1000)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Clients = Annotated[int, Field(ge=1, le=500)]  # a process each
Place = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Positive = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Rate = Annotated[float, Field(gt=0, le=1e6)]
Priority = Annotated[int, Field(ge=0, le=999)]
Jump = Annotated[float, Field(ge=-1e9, le=1e9), AfterValidator(_seen)]  # thirty years either way
StrobePeriod = Annotated[
    float,
    Field(le=MAX_SECONDS, json_schema_extra={"minimum": 2 * CLOCK_REREAD_S}),
    AfterValidator(_reread),  # tells why, which a bound does not
]
Share = Annotated[int, Field(ge=0, le=100)]  # percent
Percent = Annotated[float, Field(gt=0, le=100)]
Groups = Annotated[list[Annotated[list[str | int], Field(min_length=1)]], Field(min_length=2)]

T = TypeVar("T")


class Strict(BaseModel):
    """A mapping without unknown keys, whose values are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def shared(settings: Strict, keys: type[Strict]) -> dict[str, Any]:
    """Return the settings that these keys define, by name: a part of a larger mapping."""
    return {key: getattr(settings, key) for key in keys.model_fields}


def refuse(wrong: bool, expected: str) -> None:  # noqa: FBT001 -- reads as a sentence
    """Complain of a setting from inside a validator.

    Raises:
        ValueError: it is wrong; the loader adds file, line and key.
    """
    if wrong:
        raise ValueError(f"expected {expected}")


class Registry(Generic[T]):
    """Classes of one kind under their YAML names.

    The modules of `package` are imported at the first look-up, so that adding a file is all
    it takes to add an entry.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Enter the decorated class under `name`.

        Raises:
            ValueError: the name is taken; silently replacing an entry would weaken a test.
        """

        def enter(entry: type[T]) -> type[T]:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is already {self._entries[name]!r}")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> type[T]:
        self._load()
        if name not in self._entries:
            known = ", ".join(self)
            raise ScenarioError(f"{self.kind}: expected one of {known}, got {name!r}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def summary(self, name: str) -> str:
        """Return the first line of an entry's docstring."""
        return (self[name].__doc__ or "").strip().splitlines()[0]

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._loaded = True  # only now: after a failed import the rest would be missing silently
