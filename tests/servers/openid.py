"""A small OpenID Connect provider on real HTTP: it logs in whoever comes, and lies on request.

Written from OpenID Connect Core 1.0 and RFC 7636; signs with RS256 or ES256 through joserfc.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, Request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from cloud.core.clock import Clock

CLIENT_ID, CLIENT_SECRET = "hallfleet-cloud", "a secret between two servers"
Alter = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class OpenIdProvider:
    """``claims``: what it says of whoever logs in. ``alter`` changes the ID token's claims, ``sign`` its signature."""

    url: str
    clock: Clock
    claims: dict[str, Any]
    algorithm: str = "RS256"
    alter: Alter = field(default=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    discovered: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    keys: dict[str, RSAKey | ECKey] = field(default_factory=dict)

    def new_keys(self) -> None:
        """Sign with other keys from now on."""
        number = secrets.token_hex(4)
        self.keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": f"rsa-{number}", "use": "sig"}),
            "ES256": ECKey.generate_key("P-256", {"kid": f"ec-{number}", "use": "sig"}),
        }

    def token(self, nonce: str) -> str:
        """An ID token for somebody who logs in now."""
        now = int(self.clock.now().timestamp())
        standard = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = self.alter({**standard, **self.claims})
        if self.sign is not None:
            return self.sign(claims)
        key = self.keys[self.algorithm]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid}, claims, key, algorithms=[self.algorithm])

    def signed_by_a_stranger(self, claims: dict[str, Any]) -> str:
        """With the right name of a key, and another key."""
        stranger = RSAKey.generate_key(2048, {"kid": str(self.keys["RS256"].kid)})
        return jwt.encode({"alg": "RS256", "kid": stranger.kid}, claims, stranger)

    def signed_with_the_public_key(self, claims: dict[str, Any]) -> str:
        """HS256 with what everybody can read as the shared secret."""
        public = self.keys["RS256"].as_pem(private=False)
        return _unchecked({"alg": "HS256", "kid": self.keys["RS256"].kid}, claims, public)


def unsigned(claims: dict[str, Any]) -> str:
    """``alg: none``."""
    return _unchecked({"alg": "none"}, claims, None)


def _unchecked(header: dict[str, Any], claims: dict[str, Any], key: bytes | None) -> str:
    parts = [_b64(json.dumps(part).encode()) for part in (header, claims)]
    signature = b"" if key is None else hmac.digest(key, ".".join(parts).encode(), "sha256")
    return ".".join([*parts, _b64(signature)])


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@asynccontextmanager
async def serve(clock: Clock, claims: dict[str, Any]) -> AsyncIterator[OpenIdProvider]:
    """A provider on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        provider = OpenIdProvider(f"http://127.0.0.1:{door.getsockname()[1]}", clock, claims)
        provider.new_keys()
        config = uvicorn.Config(_application(provider), log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([door]))
        try:
            yield provider
        finally:
            server.should_exit = True
            await serving


def _application(provider: OpenIdProvider) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/.well-known/openid-configuration")
    async def discover() -> JSONResponse:
        found = {
            "issuer": provider.url,
            "authorization_endpoint": f"{provider.url}/authorize",
            "token_endpoint": f"{provider.url}/token",
            "jwks_uri": f"{provider.url}/keys",
        }
        return JSONResponse({**found, **provider.discovered})

    @app.get("/keys")
    async def keys() -> JSONResponse:
        return JSONResponse(KeySet(list(provider.keys.values())).as_dict(private=False))

    @app.get("/authorize")
    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        provider.asked.append(asked)
        code = secrets.token_urlsafe(16)
        provider.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": provider.url})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 303)

    @app.post("/token")
    async def token(
        request: Request,
        code: str = Form(),
        redirect_uri: str = Form(),
        code_verifier: str = Form(),
        client_id: str = Form(),
    ) -> JSONResponse:
        asked = provider.codes.pop(code, None)
        login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}" or client_id != CLIENT_ID:
            return JSONResponse({"error": "invalid_client"}, 401)
        challenge = _b64(hashlib.sha256(code_verifier.encode()).digest())
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != redirect_uri:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": provider.token(asked["nonce"])}
        )

    return app
