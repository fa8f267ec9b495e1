"""The tables of access and every statement on them."""
