"""The `zkmq` command."""
