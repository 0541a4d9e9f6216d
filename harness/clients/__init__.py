"""Recording clients and the queues they drive."""
