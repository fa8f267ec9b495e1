"""The cases' tables and every statement on them."""
