"""The machine's own pages, served on loopback; they work with the link down."""
