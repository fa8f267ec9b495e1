"""The language that all rooms share: what exists in a hall and what may be said about it."""
