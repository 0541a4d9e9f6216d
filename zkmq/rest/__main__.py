"""`python -m zkmq.rest` is `zkmq gateway`."""

from zkmq.rest.cli import app

app()
