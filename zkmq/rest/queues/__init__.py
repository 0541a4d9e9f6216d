"""Queues over HTTP, without the HTTP: open queues, consumers, idempotency (rest.md 11)."""
