"""The door: log-in with name and password, slower with each failure, and telling nothing about which names exist."""

import asyncio
from hashlib import sha256
from typing import Protocol

from cloud.access.model import Account, AccountState
from cloud.access.service.keys import KeyService
from cloud.access.states import FORGOTTEN_AFTER_MS, failed
from cloud.access.store import accounts, attempts
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, NotFound, TooMany, Unauthorised
from cloud.core.facts import Fact
from cloud.storage.unit_of_work import Database, Tx

WORDS = "expected the name of an account and its password"
AT_ONCE = 2  # a password check takes 64 MiB and a core for a while


class Refused(Unauthorised):
    """Not this name with this password. Says no more than that."""

    code = "refused"


class Passwords(Protocol):
    """Hashes passwords; takes as long for a hash that fits nothing as for one that does."""

    @property
    def decoy(self) -> str:
        """A hash that no password fits."""
        ...

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        ...

    def fits(self, kept: str, password: str) -> bool:
        """Whether ``kept`` was made of ``password``."""
        ...

    def is_old(self, kept: str) -> bool:
        """Whether the hash was made with weaker settings than those of today."""
        ...


class Door:
    """Logs people in."""

    def __init__(self, db: Database, keys: KeyService, passwords: Passwords, clock: Clock) -> None:
        self._db = db
        self._keys = keys
        self._passwords = passwords
        self._clock = clock
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def log_in(self, name: str, password: str, address: str) -> str:
        """The id of a new session. Raises Refused, and TooMany after failures (right password or not)."""
        name = name.strip().lower()
        await self._db.write(lambda tx: self._take(tx, name, address))
        account = await self._db.read(lambda conn: accounts.by_name(conn, name))
        kept = self._passwords.decoy if account is None or not account.account.password else account.account.password
        async with self._turn:
            fits = await asyncio.to_thread(self._passwords.fits, kept, password)
        found = None if account is None else account.account
        if not fits or found is None or found.state is not AccountState.ACTIVE:
            await self._db.write(lambda tx: self._refuse(tx, found, address))
            raise Refused(WORDS)
        renewed = await asyncio.to_thread(self._passwords.hash, password) if self._passwords.is_old(kept) else ""
        try:
            return await self._db.write(lambda tx: self._let_in(tx, found, name, address, renewed))
        except (NotFound, Conflict):
            raise Refused(WORDS) from None

    def _take(self, tx: Tx, name: str, address: str) -> None:
        """Count the attempt as failed before it is looked at: many at once are no way around the delay."""
        now_ms = to_ms(self._clock.now())
        known = {(kind, who): attempts.of(tx.conn, kind, who) for kind, who in _doors(name, address)}
        until_ms = max(one.until_ms for one in known.values())
        if until_ms > now_ms:
            again_s = -(-(until_ms - now_ms) // 1000)
            raise TooMany(f"too many failed log-ins; try again in {again_s} s", again_s)
        for (kind, who), before in known.items():
            attempts.note(tx.conn, kind, who, failed(kind, before, now_ms), now_ms - FORGOTTEN_AFTER_MS)

    def _refuse(self, tx: Tx, found: Account | None, address: str) -> None:
        told = {"account_id": "" if found is None else found.account_id, "address": address}
        tx.publish(Fact("account.log_in_refused", self._clock.now(), told))

    def _let_in(self, tx: Tx, account: Account, name: str, address: str, renewed: str) -> str:
        (kind, who), (where, place) = _doors(name, address)
        now = accounts.by_id(tx.conn, account.account_id)
        if now is None or now.account.version != account.version:
            raise Conflict("account: changed while its password was looked at")
        attempts.forget(tx.conn, kind, who)
        attempts.give_back(tx.conn, where, place)
        if renewed:
            accounts.change(tx.conn, account, to_ms(self._clock.now()), password=renewed)
        return self._keys.begin(tx, account.account_id, "password")


def _doors(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Name and address as they are kept: neither can be read back."""
    return ("account", _hidden(name)), ("address", _hidden(address))


def _hidden(text: str) -> str:
    return sha256(text.encode()).hexdigest()
