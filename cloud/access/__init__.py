"""People, their roles in halls, sessions, API tokens, and the ways to log in."""
