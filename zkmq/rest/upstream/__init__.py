"""The gateway's configuration, its sessions to ZooKeeper, and the watches that clients share."""
