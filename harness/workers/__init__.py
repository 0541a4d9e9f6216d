"""Client processes of a run, and what stands between them and the quorum."""
