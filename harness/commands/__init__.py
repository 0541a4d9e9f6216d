"""The `harness` command. Its modules put the other rooms together."""
