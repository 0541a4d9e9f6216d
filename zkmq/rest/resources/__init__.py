"""The resources behind each URL: znodes, transactions and queues."""
