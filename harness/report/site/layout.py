"""What all pages of the site share: the frame, the style, and which scripts may run."""

import base64
import hashlib
from typing import Any

from harness import words
from harness.report import page

LIVE = "site/live.js"
_TITLES = {
    "": "Runs",
    "scenarios": "Scenarios over time",
    "causes": "Causes",
    "campaigns": "Campaigns",
}


def render(template: str, *, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """Return a page of the site."""
    sheets = (page.CHART_STYLE, "report.css", "site/site.css")
    return page.template(f"site/{template}").render(
        css="".join(map(page.resource, sheets)),
        places=_TITLES,
        scripts=scripts,
        words=words,
        **values,
    )


def headers(scripts: tuple[str, ...] = ()) -> dict[str, str]:
    """Return headers that let these scripts run and no other, and nothing be loaded from afar."""
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if digests:
        policy += f"; script-src {' '.join(digests)}; connect-src 'self'"
    return {"Content-Security-Policy": policy}


def live() -> tuple[str, ...]:
    """Return the script of pages that stay up to date."""
    return (page.resource(LIVE),)
