"""A ZooKeeper quorum in Docker, and what disturbs it."""
