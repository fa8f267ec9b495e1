"""Bytes: from the wire to typed calls and back."""
