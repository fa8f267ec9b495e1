"""The broker: its revocation list, the end of live connections, its configuration files."""
