"""argon2id by argon2-cffi, with the settings of RFC 9106 for machines with little memory (64 MiB, 3 passes)."""

import secrets

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2:
    """A port of ``service.Passwords``. ``parameters`` other than the default are for tests."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._decoy = ""

    @property
    def decoy(self) -> str:
        """A hash of something that nobody ever knew; made when first needed."""
        if not self._decoy:
            self._decoy = self.hash(secrets.token_urlsafe(32))
        return self._decoy

    def hash(self, password: str) -> str:
        """Salted anew each time."""
        return self._hasher.hash(password)

    def fits(self, kept: str, password: str) -> bool:
        """Whether ``kept`` was made of ``password``."""
        try:
            return self._hasher.verify(kept, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def is_old(self, kept: str) -> bool:
        """Whether it was made with other settings than today's."""
        return self._hasher.check_needs_rehash(kept)
