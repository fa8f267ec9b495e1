"""The connection that queries run on, under a name that services may use without knowing the library."""

from sqlalchemy import Connection

__all__ = ["Connection"]
