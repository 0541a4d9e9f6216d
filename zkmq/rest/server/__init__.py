"""The gateway's process: the ASGI application, the HTTP server, TLS and metrics."""
