"""Commands that run scenarios, and what they share with `pytest --scenarios`."""
