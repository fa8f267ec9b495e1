"""What waits for the cloud: durable in SQLite, or in memory for tests. Both keep the same rules."""
