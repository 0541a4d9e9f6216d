"""The OpenAPI 3.1 document that the gateway serves at /openapi.json."""

from zkmq.rest.openapi.openapi_document import document

__all__ = ["document"]
