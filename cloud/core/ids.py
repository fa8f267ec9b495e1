"""Ids that sort by the time they were made."""

import secrets
import time


def new_id(prefix: str) -> str:
    """A new id such as ``cmd_018f3c2a9b7d5e60c1d2a3b4f5e6``: prefix, milliseconds (12 hex), chance (16 hex).

    Unique in practice (64 random bits within one millisecond); ids made later sort later.
    """
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"
