"""Log-in at an identity provider: begun here it ends here, once, in the same browser, in a session like any other."""

import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloud.access.model import AccountState, Grant, Identity, Role, SignOn
from cloud.access.service.accounts import AccountService
from cloud.access.service.keys import KeyService, digest
from cloud.access.store import keys as store
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Forbidden, HallfleetError
from cloud.storage.unit_of_work import Database, Tx

WITHIN_MS = 10 * 60 * 1000


class NotVouchedFor(HallfleetError):
    """The identity provider's answer does not prove who somebody is."""

    status = 401
    code = "not_vouched_for"
    title = "Log-in not confirmed"


class IdentityProvider(Protocol):
    """Knows people."""

    @property
    def issuer(self) -> str:
        """Its name: an address."""
        ...

    async def address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises Unavailable."""
        ...

    async def claims(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """What it says of the person who came back with ``code``. Raises NotVouchedFor, Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """Who has ``value`` as ``claim``, or among its values, has ``role`` in ``hall``."""

    claim: str
    value: str
    role: Role
    hall: str


@dataclass(frozen=True, slots=True)
class Begun:
    """``address``: where the browser goes; ``browser``: what it keeps until it is back."""

    address: str
    browser: str


class SignOnService:
    """Begins and ends log-ins. ``rules`` turn claims into roles: the provider decides who, the settings what."""

    def __init__(
        self,
        db: Database,
        provider: IdentityProvider,
        rules: Collection[ClaimRule],
        accounts: AccountService,
        keys: KeyService,
        clock: Clock,
    ) -> None:
        self._db = db
        self._provider = provider
        self._rules = tuple(rules)
        self._accounts = accounts
        self._keys = keys
        self._clock = clock

    async def begin(self, redirect_uri: str, way_on: str) -> Begun:
        """Send somebody to the provider. Raises Unavailable."""
        state, nonce, browser = (secrets.token_urlsafe(32) for _ in range(3))
        verifier = secrets.token_urlsafe(48)
        address = await self._provider.address(redirect_uri, state, nonce, verifier)
        now_ms = to_ms(self._clock.now())
        begun = SignOn(digest(state), digest(browser), nonce, verifier, way_on, now_ms + WITHIN_MS)
        await self._db.write(lambda tx: store.add_sign_on(tx.conn, begun, now_ms))
        return Begun(address, browser)

    async def finish(self, state: str, code: str, browser: str, redirect_uri: str, issuer: str) -> tuple[str, str]:
        """The id of a new session, and where the person wanted to go.

        ``issuer`` is the ``iss`` of the answer, empty when there was none. Raises NotVouchedFor, Forbidden for somebody
        without any role here, Unavailable.
        """
        begun = await self._db.write(lambda tx: store.take_sign_on(tx.conn, digest(state)))
        if begun is None or to_ms(self._clock.now()) >= begun.ends_ms:
            raise NotVouchedFor("state: expected that of a log-in that began here in the last minutes and is not over")
        if not hmac.compare_digest(begun.browser, digest(browser)):
            raise NotVouchedFor("state: this log-in began in another browser")
        if issuer and issuer != self._provider.issuer:
            raise NotVouchedFor(f"iss: expected an answer of {self._provider.issuer}, got one of another provider")
        if not code:
            raise NotVouchedFor(f"{self._provider.issuer}: it did not log the person in")
        claims = await self._provider.claims(code, redirect_uri, begun.nonce, begun.verifier)
        identity = self.identity_of(claims)
        session = await self._db.write(lambda tx: self._arrive(tx, identity))
        if session is None:
            raise Forbidden("account: known, but with no role in any hall here; an administrator can change that")
        return session, begun.way_on

    def identity_of(self, claims: Mapping[str, Any]) -> Identity:
        """Who the claims are about, and the roles that follow from them."""
        shown = next((claims[name] for name in ("name", "preferred_username") if isinstance(claims.get(name), str)), "")
        grants = frozenset(Grant(rule.role, rule.hall) for rule in self._rules if _holds(rule, claims))
        return Identity(self._provider.issuer, str(claims["sub"]), shown, grants)

    def _arrive(self, tx: Tx, identity: Identity) -> str | None:
        account = self._accounts.arrive(tx, identity)
        if not identity.grants or account.state is not AccountState.ACTIVE:
            return None
        return self._keys.begin(tx, account.account_id, "openid")


def _holds(rule: ClaimRule, claims: Mapping[str, Any]) -> bool:
    found = claims.get(rule.claim)
    return rule.value in found if isinstance(found, list) else found == rule.value
