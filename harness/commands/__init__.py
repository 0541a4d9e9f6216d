"""Commands that `harness.cli` offers beside its own; like it, they put the parts together."""
