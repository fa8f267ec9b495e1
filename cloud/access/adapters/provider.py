"""An OpenID Connect provider: authorisation code with PKCE; its keys and addresses are found by discovery.

Sources: OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3.7, Discovery 1.0 section 4, RFC 7636, RFC 9207 (``iss`` of the
answer). The claims are checked by authlib, the signature by joserfc, which comes with it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cloud.access.service import NotVouchedFor
from cloud.core.clock import Clock
from cloud.core.errors import Unavailable
from device_profiles.configuration import is_loopback

ALGORITHMS = ("RS256", "ES256")  # signatures that a public key verifies: never "none", never one with a shared secret
LEEWAY_S = 60
PATIENCE_S = 10.0
KNOWN_FOR = timedelta(hours=1)
LARGEST = 256 * 1024
_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """One provider, found by its ``issuer``."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scopes: tuple[str, ...], clock: Clock) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._clock = clock
        self._known: tuple[float, Mapping[str, Any]] | None = None
        self._keys: KeySet | None = None

    async def address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises Unavailable."""
        metadata = await self._metadata()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(("openid", *self._scopes)),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def claims(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """What the provider says of the person who came back with ``code``. Raises NotVouchedFor, Unavailable."""
        metadata = await self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._client_id,
            "code_verifier": verifier,
        }
        login = (self._client_id, self._client_secret) if self._client_secret else None
        answer = await self._ask("POST", str(metadata["token_endpoint"]), data=form, auth=login)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotVouchedFor(f"{self.issuer}: expected an ID token, got {_said(answer)}")
        return await self._read(token, nonce, answer.get("access_token"))

    async def _read(self, token: str, nonce: str, access_token: object) -> Mapping[str, Any]:
        try:
            read = await self._verified(token)
            claims = CodeIDToken(
                read.claims,
                read.header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                    "exp": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotVouchedFor(f"{self.issuer}: its ID token is refused: {type(error).__name__}: {error}") from None
        return dict(claims)

    async def _verified(self, token: str) -> jwt.Token:
        """The token with a good signature; a key that is not known may be new, so the keys are read once more."""
        for again in (False, True):
            keys = await self._key_set(again)
            try:
                return jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            except (JoseError, ValueError):
                if again:
                    raise
        raise NotVouchedFor(f"{self.issuer}: its ID token is not signed with a key of its own")

    async def _key_set(self, again: bool) -> KeySet:
        if self._keys is None or again:
            metadata = await self._metadata()
            try:
                self._keys = KeySet.import_key_set(await self._ask("GET", str(metadata["jwks_uri"])))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise Unavailable(f"{self.issuer}: expected a set of keys, got something else: {error}") from None
        return self._keys

    async def _metadata(self) -> Mapping[str, Any]:
        now = self._clock.now().timestamp()
        if self._known is None or now > self._known[0] + KNOWN_FOR.total_seconds():
            url = get_well_known_url(self.issuer, external=True)
            found = await self._ask("GET", url)
            if found.get("issuer") != self.issuer or not all(is_safe(found.get(name)) for name in _ADDRESSES):
                raise Unavailable(f"{url}: expected the issuer {self.issuer} and its https addresses, got others")
            self._known = (now, found)
        return self._known[1]

    async def _ask(self, method: str, url: str, **what: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
                answer = await http.request(method, url, headers={"Accept": "application/json"}, **what)
            body = answer.json() if len(answer.content) <= LARGEST else None
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"{self.issuer}: {type(error).__name__} at {method} {url}") from None
        if not isinstance(body, dict):
            raise Unavailable(f"{self.issuer}: expected a JSON object from {method} {url}, got something else")
        if answer.status_code >= 500:
            raise Unavailable(f"{self.issuer}: {method} {url} answered {answer.status_code}")
        if answer.status_code >= 400:
            raise NotVouchedFor(f"{self.issuer}: {method} {url} answered {answer.status_code} {_said(body)}")
        return body


def is_safe(url: object) -> bool:
    """Whether nobody on the way reads what is sent there."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _said(answer: Mapping[str, Any]) -> str:
    """The error code of an answer: never its other words, they may hold what was sent."""
    code = answer.get("error", "another answer")
    return code[:60] if isinstance(code, str) and code.isascii() else "another answer"
