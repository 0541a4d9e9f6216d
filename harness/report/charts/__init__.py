"""The report's charts: what each shows, as plain data that charts.js draws."""
