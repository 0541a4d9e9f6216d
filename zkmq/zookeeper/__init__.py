"""ZooKeeper as the queue uses it: sessions, requests, watches, credentials."""
