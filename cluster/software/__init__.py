"""Images: where a server's ZooKeeper and a sandbox's tools come from, and how they are built."""
