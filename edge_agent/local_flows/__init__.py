"""What a citizen can get done at this machine with the link down."""
