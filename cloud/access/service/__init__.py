"""The use cases of access."""

from cloud.access.service.accounts import AccountService
from cloud.access.service.door import Door, Passwords, Refused
from cloud.access.service.keys import KeyService
from cloud.access.service.sign_on import ClaimRule, IdentityProvider, NotVouchedFor, SignOnService

__all__ = [
    "AccountService",
    "ClaimRule",
    "Door",
    "IdentityProvider",
    "KeyService",
    "NotVouchedFor",
    "Passwords",
    "Refused",
    "SignOnService",
]
