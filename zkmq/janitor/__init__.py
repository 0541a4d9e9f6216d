"""The elected janitor: takes back dead consumers' items, and deletes what is no longer needed."""
