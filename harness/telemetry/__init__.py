"""A run as OpenTelemetry spans and metrics, sent while it goes on, by a process of its own."""
