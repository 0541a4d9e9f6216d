"""What a client tells of its work: counters and times, by callbacks or to Prometheus."""
