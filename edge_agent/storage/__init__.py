"""The agent's files: SQLite, one writer thread per file, durable when a call returns."""

from edge_agent.storage.file import DurableFile
from edge_agent.storage.values import Values

__all__ = ["DurableFile", "Values"]
