"""HTTP requests and answers, without ZooKeeper."""
