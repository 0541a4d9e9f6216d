"""Registries of faults, workloads and checkers by name."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from harness.common.harness_errors import ScenarioError

T = TypeVar("T")


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
