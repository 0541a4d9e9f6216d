"""The nemesis: injects planned faults, records what it saw of each, and heals them."""
