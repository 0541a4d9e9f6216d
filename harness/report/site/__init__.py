"""The pages of `harness serve`: all runs, scenarios over time, causes, two runs side by side."""
