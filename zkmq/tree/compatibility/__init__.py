"""Which versions of zkmq may use a tree: its charter, and what clients announce of themselves."""
