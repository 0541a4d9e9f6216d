"""The gateway's description of itself, in OpenAPI 3.1."""

from zkmq.rest.openapi.openapi_document import document

__all__ = ["document"]
