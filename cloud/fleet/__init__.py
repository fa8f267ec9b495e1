"""Who the machines are, whether they are there, and how their slots are."""
