"""The history of a run: recording, merging, and reading it as columns."""
