"""The gateway's description of itself in OpenAPI 3.1."""

from typing import Any


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return {"openapi": "3.1.0"}
