"""Faults of packets on their way: lost, held back, late, out of order."""
