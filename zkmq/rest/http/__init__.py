"""HTTP requests and answers, without any request to ZooKeeper."""
