"""Producers: writes that take effect once, in the order of the calls."""
