"""All engines that may hold something of ours: the environment's, and those that runs named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import docker

from cluster.cluster_errors import EngineError
from cluster.engine import engine, run_engines
from cluster.engine.each import each
from cluster.engine.hosts import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The engines that answer, and those that do not.

    Attributes:
        hosts: what answers; the environment's engine has no name.
        unreached: why each of the others does not, by name.
    """

    hosts: Sequence[Host]
    unreached: Mapping[str, str]

    @property
    def clients(self) -> list[docker.DockerClient]:
        """Return a client on each engine that answers."""
        return [host.client for host in self.hosts]

    def of(self, run: str) -> list[Host]:
        """Return the hosts of a run, in its order; if it named none, that of the environment."""
        named = next((noted.engines for noted in run_engines.noted() if noted.run == run), [""])
        by_name = {host.name: host for host in self.hosts}
        return [by_name[name] for name in named if name in by_name]

    def lost(self, run: str) -> str | None:
        """Return why one of a run's engines does not answer; None if all do."""
        for noted in run_engines.noted():
            for name in noted.engines if noted.run == run else ():
                if name in self.unreached:
                    return self.unreached[name]
        return None


def find() -> Fleet:
    """Look for the engines.

    Raises:
        EngineError: none answers, that of the environment least of all.
    """
    names = dict.fromkeys(name for noted in run_engines.noted() for name in noted.engines)
    answers = each(["", *names], _tried)
    hosts = [found for found in answers if isinstance(found, Host)]
    failed = {
        name: found
        for name, found in zip(["", *names], answers, strict=True)
        if isinstance(found, EngineError)
    }
    if not hosts:
        raise failed[""]
    return Fleet(hosts=hosts, unreached={n: str(why) for n, why in failed.items() if n})


def _tried(name: str) -> Host | EngineError:
    try:
        return Host(name, engine.connect(name))
    except EngineError as error:
        return error
