"""Staff: who should stand where now, and why."""
