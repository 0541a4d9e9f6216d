"""ZooKeeper and the queue over HTTP: a gateway, and a client for it."""
