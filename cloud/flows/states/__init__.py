"""Flows as data: the vocabulary of steps, the engine that advances a case, and one file per item."""
