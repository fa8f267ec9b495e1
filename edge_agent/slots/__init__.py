"""One running peripheral per slot: opened, identified, polled, and brought back when it was away."""
