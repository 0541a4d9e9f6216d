"""Checkers of the order in which items are delivered."""
