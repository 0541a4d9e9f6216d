"""Queues over HTTP: `queues/v1/<queue>/...` (rest.md 11)."""
