"""Verbs of the cloud that are words of their own on the command line."""
