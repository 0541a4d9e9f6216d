"""Faults: one file each; a fault registers itself, and its fields are its YAML keys."""
