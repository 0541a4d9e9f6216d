"""Registries of subjects, workloads, faults and checkers by name: our own, and plugins."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from harness.common.harness_errors import ScenarioError, expected_one_of
from harness.common.settings import plugins
from harness.common.settings.plugins import Plugin

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes of one kind under their YAML names.

    The modules of `package` and of its folders are imported at the first look-up, so that adding a
    file is all it takes to add an entry. Entry points of the group `zkmq.<kind>s` add more; each is
    imported when it is asked for by name, and must have what `shape`, the kind's protocol, has. A
    plugin cannot take the name of an entry of the package.
    """

    def __init__(self, kind: str, package: str, shape: type = object) -> None:
        self.kind = kind
        self._package, self._shape = package, shape
        self._entries: dict[str, type[T]] = {}
        self._from_plugins: dict[str, type[T]] = {}
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
        if name in self._entries:
            return self._entries[name]
        plugin = self._plugin(name)
        if plugin is None:
            see = f"harness explain {self.kind}s"
            raise ScenarioError(f"{self.kind}: {expected_one_of(list(self), name, see=see)}")
        if name not in self._from_plugins:
            found = plugin.load()
            plugins.require(f"{self.kind} {name!r} of {plugin.origin}", found, self._shape)
            self._from_plugins[name] = found
        return self._from_plugins[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries or self._plugin(name) is not None

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted({*self._entries, *self._plugins()}))

    @property
    def builtin(self) -> list[str]:
        """Return the names of the harness's own entries: what runs where no name is given."""
        self._load()
        return sorted(self._entries)

    def origin(self, name: str) -> str | None:
        """Return the package and version that a name comes from; None for the harness itself."""
        plugin = None if name in self.builtin else self._plugin(name)
        return None if plugin is None else plugin.origin

    def summary(self, name: str) -> str:
        """Return the first line of an entry's docstring; empty if it has none."""
        lines = (self[name].__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""

    def about(self, name: str) -> str:
        """Return an entry's first line and where it comes from; of a bad plugin, what is wrong."""
        origin = self.origin(name)
        try:
            summary = self.summary(name)
        except ScenarioError as error:
            return f"cannot be used: {error}"
        return summary if origin is None else f"{summary} ({origin})".lstrip()

    def _plugin(self, name: object) -> Plugin | None:
        return self._plugins().get(name) if isinstance(name, str) else None

    def _plugins(self) -> Mapping[str, Plugin]:
        return plugins.of(f"zkmq.{self.kind}s")

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.walk_packages(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._loaded = True  # only now: after a failed import the rest would be missing silently
