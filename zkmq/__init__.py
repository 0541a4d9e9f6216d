"""A message queue on ZooKeeper."""
