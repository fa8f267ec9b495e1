"""A record of what happened that cannot be changed unnoticed, and the end of what is personal."""
