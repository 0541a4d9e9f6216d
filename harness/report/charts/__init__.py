"""The report's charts: what each shows, as plotly traces."""
