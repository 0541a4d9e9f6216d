"""`application.wadl`, by which the original gateway described itself (rest.md 7)."""

from xml.sax.saxutils import quoteattr

WADL = "application/vnd.sun.wadl+xml"

_ZNODE_PARAMETERS = {
    "HEAD": (),
    "GET": ("view", "dataformat", "callback"),
    "PUT": ("version", "null", "dataformat", "callback"),
    "POST": ("op", "name", "null", "sequence", "ephemeral", "dataformat", "callback"),
    "DELETE": ("version",),
}
_SESSION_PARAMETERS = {"PUT": (), "POST": ("op", "expire"), "DELETE": ()}


def document(base: str) -> str:
    """Return the WADL of an endpoint whose context URL is `base` (with its last slash)."""
    sessions = _resource("sessions/v1/{session: .*}", ("session",), _SESSION_PARAMETERS)
    znodes = _resource("znodes/v1{path: /.*}", ("path",), _ZNODE_PARAMETERS, "session")
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        '<application xmlns="http://research.sun.com/wadl/2006/10">'
        f"<resources base={quoteattr(base)}>{sessions}{znodes}</resources></application>"
    )


def _resource(
    path: str, templates: tuple[str, ...], methods: dict[str, tuple[str, ...]], *common: str
) -> str:
    parameters = "".join(_parameter(name, "template") for name in templates)
    parameters += "".join(_parameter(name, "query") for name in common)
    bodies = "".join(_method(name, names) for name, names in methods.items())
    return f"<resource path={quoteattr(path)}>{parameters}{bodies}</resource>"


def _method(name: str, parameters: tuple[str, ...]) -> str:
    request = "".join(_parameter(parameter, "query") for parameter in parameters)
    return f'<method name="{name}"><request>{request}</request></method>'


def _parameter(name: str, style: str) -> str:
    return f'<param name="{name}" style="{style}"/>'
