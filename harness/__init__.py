"""Run fault scenarios against a queue on ZooKeeper, and judge what happened."""
