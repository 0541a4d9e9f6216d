"""What people read of a run: the terminal while it lasts, and the summary at its end."""
