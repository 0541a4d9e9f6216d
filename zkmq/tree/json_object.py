"""Decode JSON objects from data that any client may have written."""

import json
from typing import Any


def decode_object(data: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; None if the data is anything else. Raises nothing."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
