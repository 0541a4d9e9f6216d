"""`zkmq gateway`: the command that starts the gateway."""

import contextlib
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import typer

from zkmq import extras
from zkmq.rest.http.http_errors import ConfigError
from zkmq.rest.upstream import properties_file
from zkmq.rest.upstream.gateway_config import (
    DEFAULT_PORT,
    EndpointConfig,
    GatewayConfig,
    Limits,
    Tls,
)
from zkmq.zookeeper.security import Security

app = typer.Typer(help="ZooKeeper and the queue over HTTP.")

Option = typer.Option


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: zkmq gateway --hosts localhost:2181 --port 9998")(gateway)


@app.command()
def gateway(  # noqa: PLR0917 -- typer makes options of them
    before: typer.Context,
    hosts: Annotated[
        str | None,
        Option(help="As host:port,host:port/chroot; else that of `zkmq --hosts` or ZKMQ_HOSTS."),
    ] = None,
    config: Annotated[
        Path | None, Option(help="A rest.properties file, as the original's.", dir_okay=False)
    ] = None,
    host: Annotated[
        str | None, Option(help="The address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        Option(help="The port to listen on; 0 is any free one.", show_default=str(DEFAULT_PORT)),
    ] = None,
    context: Annotated[str, Option(help="The context path of the endpoint.")] = "/",
    cert: Annotated[Path | None, Option(help="TLS: the certificate chain, PEM.")] = None,
    key: Annotated[Path | None, Option(help="TLS: its key, PEM.")] = None,
    public_url: Annotated[
        str | None, Option(help="What URLs in answers begin with, e.g. https://example.org.")
    ] = None,
    *,
    trust_proxy: Annotated[bool, Option(help="Believe X-Forwarded-Proto and -Host.")] = False,
    jsonp: Annotated[bool, Option(help="Answer JSONP, which any web page may read.")] = True,
    read_only: Annotated[bool, Option(help="Refuse every write.")] = False,
    until_stdin_closes: Annotated[
        bool, Option(help="Stop when standard input closes, too: for a parent that may be killed.")
    ] = False,
    log: Annotated[bool, Option(help="Write the access log to standard error.")] = True,
) -> None:
    """Serve ZooKeeper and the queue over HTTP, until SIGINT or SIGTERM.

    Say where ZooKeeper is with --hosts, or give a properties file with --config. What `zkmq` is
    told before the command holds, too: hosts, credentials, TLS to the servers, and a deadline, for
    each request to them.
    """
    # Every `zkmq` command starts with this module, and only this one needs a web server.
    try:
        from zkmq.rest.server.serving import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(extras.told("zkmq gateway", error, "zkmq[rest]"))

    try:
        said = _Said.before(before)
        hosts = hosts or (said.hosts if config is None else None)
        endpoint = (
            EndpointConfig(
                hosts=hosts, context=context, read_only=read_only, security=said.security
            )
            if hosts
            else None
        )
        settings = _settings(config, endpoint, host, port, said.security)
        _log_to_stderr(access=log)
        if until_stdin_closes:
            threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
        serve(
            replace(
                settings,
                tls=_tls(cert, key) or settings.tls,
                public_url=public_url,
                trust_proxy=trust_proxy,
                jsonp=jsonp,
                limits=said.limits,
            ),
            say=typer.echo,
        )
    except ConfigError as error:
        typer.echo(f"zkmq: {error}", err=True)
        raise typer.Exit(254) from error


@dataclass(frozen=True, slots=True)
class _Said:
    """What stood before the command's name, where there can be something."""

    hosts: str | None
    security: Security
    limits: Limits

    @classmethod
    def before(cls, context: typer.Context) -> Self:
        """Read the options of `zkmq`; none for `python -m zkmq.rest`.

        Raises:
            ConfigError: the queue's path was given, and a gateway serves all queues.
            BadArgumentError: a file of keys or certificates cannot be used.
        """
        if context.obj is None or context.parent is None:
            return cls(None, Security(), Limits())
        sources = {
            name: context.parent.get_parameter_source(name) for name in context.parent.params
        }
        given = {
            name for name, source in sources.items() if source and source.name == "COMMANDLINE"
        }
        if "path" in given:
            raise ConfigError("--path: a gateway serves all queues, each at /queues/v1/NAME")
        said = context.obj
        said.security.require_packages()
        said.security.kazoo_arguments()  # looks at the files
        limits = Limits(request_timeout_s=said.deadline_s) if "deadline_s" in given else Limits()
        return cls(said.hosts, said.security, limits)


def _settings(
    file: Path | None,
    endpoint: EndpointConfig | None,
    host: str | None,
    port: int | None,
    security: Security,
) -> GatewayConfig:
    if file is not None and endpoint is None:
        settings = properties_file.load(file)
        secured = tuple(replace(one, security=security) for one in settings.endpoints)
        settings = replace(settings, endpoints=secured)
    elif file is None and endpoint is not None:
        settings = GatewayConfig(endpoints=(endpoint,))
    else:
        raise ConfigError("gateway: expected either --hosts or --config; ZKMQ_HOSTS is as --hosts")
    return replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )


def _stop_at_end_of_input() -> None:
    # An input that cannot be read, such as that of a terminal that is gone, has ended, too.
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin is not None and os.read(sys.stdin.fileno(), 4096):
            pass  # what is said does not matter
    os.kill(os.getpid(), signal.SIGTERM)


def _tls(cert: Path | None, key: Path | None) -> Tls | None:
    if (cert is None) != (key is None):
        raise ConfigError("gateway: expected both --cert and --key, or neither")
    return Tls(certificate=cert, key=key) if cert and key else None


def _log_to_stderr(*, access: bool) -> None:
    from zkmq.rest.server.monitoring import access_log  # noqa: PLC0415 -- as above

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if access:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))  # it is JSON already
        access_log.addHandler(handler)
        access_log.propagate = False
        access_log.setLevel(logging.INFO)
