"""What operators do with a queue: look, count, bring back, purge and upgrade."""
