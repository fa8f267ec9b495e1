"""The queue's tables and every statement on them."""
