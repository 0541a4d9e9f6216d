"""All runs in the browser, on loopback: a table, two side by side, and each run's own files."""

import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from harness.common.harness_errors import HistoryError
from harness.report import index

# Names under which a browser reaches loopback; another page's script cannot come in by its own.
HOSTS = ("127.0.0.1", "localhost")
_SHOWN_AS_TEXT = (".log", ".jsonl", ".yaml")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
}


def application(runs: Path) -> Starlette:
    """Return the site of a folder of runs: `/`, `/compare?run=A&run=B` and `/runs/...`."""
    for ending in _SHOWN_AS_TEXT:
        mimetypes.add_type("text/plain", ending)  # a browser would download them otherwise

    def table(request: Request) -> HTMLResponse:
        wanted = {key: request.query_params.get(key, "") for key in ("verdict", "words")}
        return HTMLResponse(index.table(index.find(runs), **wanted), headers=_HEADERS)

    def compare(request: Request) -> HTMLResponse:
        try:
            text = index.compare(runs, request.query_params.getlist("run"))
        except HistoryError as error:
            return HTMLResponse(index.complaint(str(error)), status_code=400, headers=_HEADERS)
        return HTMLResponse(text, headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", table),
            Route("/compare", compare),
            Mount("/runs", StaticFiles(directory=runs)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))],
    )
