"""What each machine last reported of itself, and what is wanted of it."""
