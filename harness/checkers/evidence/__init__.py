"""What several checkers share: evidence derived from a history."""
