"""`python -m zkmq.rest` is `zkmq gateway`."""

from zkmq.rest.server.gateway_command import app

app()
