"""What is asked of machines, until its outcome is known."""
