"""Scenario files: the language, loading, checks that need several keys, and the plan."""
