"""What access needs from elsewhere: argon2, and an identity provider on the network."""
