"""The gateway process: endpoints, sessions to ZooKeeper, limits, metrics."""
