"""Faults that somebody has to act on: opened and closed by what devices report."""
