"""The producing side: writes that take effect once, in order."""
