"""Commands for a quorum that a person started, disturbs and removes."""
