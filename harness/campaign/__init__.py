"""Many tasks done by several workers, on this machine or on many, with one file of outcomes."""
