"""All runs in the browser, on loopback: tables, causes, two side by side, and each run's files.

It only reads, and every page can be linked to: what it shows stands in its URL.
"""

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
from harness.report.site import campaigns, causes, comparison, layout, run_table, trends
from harness.report.site.campaigns import CampaignShelf
from harness.report.site.run_table import TableView
from harness.report.site.shelf import Shelf

# Names under which a browser reaches loopback; another page's script cannot come in by its own.
HOSTS = ("127.0.0.1", "localhost")
_SHOWN_AS_TEXT = (".log", ".jsonl", ".yaml")


def application(runs: Path) -> Starlette:
    """Return the site: `/`, `/scenarios`, `/causes`, `/campaigns`, `/compare` and `/runs/...`."""
    for ending in _SHOWN_AS_TEXT:
        mimetypes.add_type("text/plain", ending)  # a browser would download them otherwise
    shelf, live, kept = Shelf(runs), layout.live(), CampaignShelf(runs)

    def table(request: Request) -> HTMLResponse:
        view = TableView.of(request.query_params)
        return _page(run_table.table(shelf.rows(), view, scripts=live), live)

    def scenarios(_: Request) -> HTMLResponse:
        return _page(trends.trends_page(shelf.rows(), scripts=live), live)

    def by_cause(_: Request) -> HTMLResponse:
        return _page(causes.causes_page(shelf.rows(), scripts=live), live)

    def all_campaigns(_: Request) -> HTMLResponse:
        return _page(campaigns.list_page(kept.all(), scripts=live), live)

    def campaign(request: Request) -> HTMLResponse:
        name = request.path_params["name"]
        try:
            text = campaigns.campaign_page(runs, kept.all(), name, scripts=live)
        except HistoryError as error:
            return _complaint(error, 404)
        return _page(text, live)

    def compare(request: Request) -> HTMLResponse:
        names = request.query_params.getlist("run")
        try:
            text = comparison.comparison_page(runs, shelf.rows(), names)
        except HistoryError as error:
            return _complaint(error, 400)
        return _page(text, comparison.scripts())

    return Starlette(
        routes=[
            Route("/", table),
            Route("/scenarios", scenarios),
            Route("/causes", by_cause),
            Route("/campaigns", all_campaigns),
            Route("/campaigns/{name}", campaign),
            Route("/compare", compare),
            Mount("/runs", StaticFiles(directory=runs)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))],
    )


def _complaint(error: HistoryError, status: int) -> HTMLResponse:
    complaint = layout.render("complaint.html.j2", text=str(error))
    return HTMLResponse(complaint, status_code=status, headers=layout.headers())


def _page(text: str, scripts: tuple[str, ...]) -> HTMLResponse:
    return HTMLResponse(text, headers=layout.headers(scripts))
