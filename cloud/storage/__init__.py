"""The operational store: SQLite by default, PostgreSQL by URL; one writer thread with group commit."""
