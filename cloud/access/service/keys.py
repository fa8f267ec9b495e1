"""Sessions and API tokens: random, shown once, kept as a hash; who holds one is looked up anew each time."""

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from cloud.access.model import AccountState, ApiToken, Person, Session
from cloud.access.states import rights_of
from cloud.access.store import accounts, keys
from cloud.core.actors import Actor
from cloud.core.callers import ALL_HALLS, Caller, Permission
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Invalid, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx

TOKEN_MARK = "hft_"  # so that scanners of code and logs know one when they see it
SEEN_EVERY_MS = 60_000
LONGEST_TOKEN_DAYS = 366
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a key; ``stale``: its last use was so long ago that it should be noted."""

    caller: Caller
    digest: str
    stale: bool


class KeyService:
    """``idle_s``: a session ends when it is not used for so long; ``longest_s``: and after so long in any case."""

    def __init__(self, clock: Clock, idle_s: float, longest_s: float) -> None:
        self._clock = clock
        self._idle_ms = round(idle_s * 1000)
        self._longest_ms = round(longest_s * 1000)

    def begin(self, tx: Tx, account_id: str, way: str) -> str:
        """A new session of an account; the id that the browser keeps. Raises NotFound when it may not log in."""
        person = accounts.by_id(tx.conn, account_id)
        if person is None or person.account.state is not AccountState.ACTIVE:
            raise NotFound("account: it may not log in")
        text, now_ms = secrets.token_urlsafe(32), to_ms(self._clock.now())
        version, ends_ms = person.account.version, now_ms + self._longest_ms
        keys.add_session(tx.conn, Session(digest(text), account_id, version, now_ms, now_ms, ends_ms), now_ms)
        tx.publish(Fact("account.logged_in", self._clock.now(), {"account_id": account_id, "way": way}))
        return text

    def end(self, tx: Tx, text: str) -> None:
        """Log out."""
        session = keys.session(tx.conn, digest(text))
        if session is not None and keys.end_session(tx.conn, session.digest):
            tx.publish(Fact("account.logged_out", self._clock.now(), {"account_id": session.account_id}))

    def holder_of_session(self, conn: Connection, text: str) -> Held | None:
        """Who is logged in with this session id; None when it is over or never was."""
        session, now_ms = keys.session(conn, digest(text)), to_ms(self._clock.now())
        if session is None or now_ms >= session.ends_ms or now_ms >= session.seen_ms + self._idle_ms:
            return None
        person = accounts.by_id(conn, session.account_id)
        if person is None or person.account.state is not AccountState.ACTIVE:
            return None
        if person.account.version != session.version:
            return None  # rights or password changed: a new log-in, a new id
        account = person.account
        actor = Actor("person", account.account_id)
        caller = Caller(actor, account.shown_name, rights_of(person.grants), csrf_of(text))
        return Held(caller, session.digest, now_ms - session.seen_ms >= min(SEEN_EVERY_MS, self._idle_ms // 4))

    def note_seen(self, tx: Tx, session_digest: str) -> None:
        """A session was used."""
        keys.note_seen(tx.conn, session_digest, to_ms(self._clock.now()))

    def add_token(
        self, tx: Tx, person: Person, label: str, scopes: Collection[Permission], halls: Collection[str], days: int
    ) -> tuple[str, ApiToken]:
        """A token that acts for an account: its text, which nobody can see again, and what is kept. Raises Invalid."""
        if not 1 <= days <= LONGEST_TOKEN_DAYS:
            raise Invalid(f"token: expected 1 to {LONGEST_TOKEN_DAYS} days, got {days}")
        if not scopes or not halls or not 1 <= len(label) <= 80:
            raise Invalid("token: expected a label of 1 to 80 characters, at least one scope and one hall")
        rights = rights_of(person.grants)
        for scope in scopes:
            if missing := _beyond(rights.get(scope, frozenset()), frozenset(halls)):
                raise Invalid(f"token: {person.account.name} has no {scope} in {', '.join(sorted(missing))} itself")
        text, now_ms = TOKEN_MARK + secrets.token_urlsafe(32), to_ms(self._clock.now())
        token = ApiToken(
            token_id=new_id("token"),
            digest=digest(text),
            account_id=person.account.account_id,
            label=label,
            scopes=tuple(sorted(scopes)),
            halls=tuple(sorted(set(halls))),
            made_ms=now_ms,
            ends_ms=now_ms + days * _DAY_MS,
        )
        keys.add_token(tx.conn, token)
        told = {"token_id": token.token_id, "account_id": token.account_id, "scopes": list(token.scopes)}
        tx.publish(Fact("token.added", self._clock.now(), {**told, "halls": list(token.halls)}))
        return text, token

    def tokens(self, conn: Connection) -> list[ApiToken]:
        """All tokens, the newest first."""
        return list(keys.tokens(conn))

    def revoke(self, tx: Tx, token_id: str) -> None:
        """A token ends now. Raises NotFound."""
        account_id = keys.end_token(tx.conn, token_id)
        if account_id is None:
            raise NotFound(f"token {token_id[:64]!r}: there is none with this id")
        told = {"token_id": token_id, "account_id": account_id}
        tx.publish(Fact("token.revoked", self._clock.now(), told))

    def holder_of_token(self, conn: Connection, text: str) -> Held | None:
        """What this token may do now: its scopes, as far as its account still has them."""
        token, now_ms = keys.token(conn, digest(text)), to_ms(self._clock.now())
        if token is None or now_ms >= token.ends_ms:
            return None
        person = accounts.by_id(conn, token.account_id)
        if person is None or person.account.state is not AccountState.ACTIVE:
            return None
        own, halls = rights_of(person.grants), frozenset(token.halls)
        rights = {scope: _both(own.get(scope, frozenset()), halls) for scope in map(Permission, token.scopes)}
        rights = {scope: where for scope, where in rights.items() if where}
        stale = now_ms - (token.used_ms or 0) >= SEEN_EVERY_MS
        return Held(Caller(Actor("token", token.token_id), token.label, rights), token.token_id, stale)

    def note_used(self, tx: Tx, token_id: str) -> None:
        """A token was used."""
        keys.note_used(tx.conn, token_id, to_ms(self._clock.now()))


def digest(text: str) -> str:
    """The hash under which a random text is kept; it has 256 bits of chance, so it needs no salt."""
    return sha256(text.encode()).hexdigest()


def csrf_of(session: str) -> str:
    """What forms of a session bring back: follows from the session's id and does not lead back to it."""
    return hmac.new(session.encode(), b"hallfleet csrf", sha256).hexdigest()


def _beyond(has: frozenset[str], wanted: frozenset[str]) -> frozenset[str]:
    return frozenset() if ALL_HALLS in has else wanted - has


def _both(has: frozenset[str], wanted: frozenset[str]) -> frozenset[str]:
    if ALL_HALLS in has:
        return wanted
    return has if ALL_HALLS in wanted else has & wanted
