"""A ZooKeeper quorum in Docker, and the mechanics that hurt it."""
