"""What each URL answers: znodes, transactions, queues."""
