"""A session with ZooKeeper on kazoo's connection, and the store on it."""
