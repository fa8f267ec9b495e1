"""Whether a caller is staff: one token for all, as a Bearer token or in a cookie."""

import hmac

COOKIE = "hallfleet_staff"


def is_staff(token: str, authorization: str, cookie: str) -> bool:
    """Whether one of the two carries ``token``; everybody is staff where no token is set (loopback only)."""
    if not token:
        return True
    scheme, _, shown = authorization.partition(" ")
    candidates = [cookie, shown if scheme.lower() == "bearer" else ""]
    return any(hmac.compare_digest(candidate.encode(), token.encode()) for candidate in candidates)
