"""What keys of YAML may hold: types of values, registries of names, plugins, the quorum."""
