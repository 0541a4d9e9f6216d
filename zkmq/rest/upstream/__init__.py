"""The gateway's sessions to ZooKeeper, their settings, and what clients share of them."""
