"""The cloud's HTTP interface as far as identity goes: two requests, each small, with no redirects and no proxies.

``keys`` is imported where it is used, since it loads ``cryptography``: most of the time an agent has nothing to renew.
"""

import json
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from device_profiles.configuration import check_http_url, is_loopback
from device_profiles.errors import MessageError
from device_profiles.messages.body import Body
from device_profiles.messages.enrolment import Enrol, Enrolled, Renew, renewal_statement
from edge_agent.errors import AgentError
from edge_agent.identity.files import Pair

WITHIN_S = 20.0
LARGEST_ANSWER = 64 * 1024


class EnrolmentRefused(AgentError):
    """The cloud does not give this machine a certificate; asking again in the same way does not help."""


class Cloud:
    """``url``: https://..., or http:// to this machine itself. Raises AgentError."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        try:
            parts = urlsplit(check_http_url(url))
        except ValueError as error:
            raise AgentError(f"cloud: {error}") from None
        if not parts.hostname:
            raise AgentError("cloud: expected https://host[:port]")
        if parts.scheme != "https" and not is_loopback(parts.hostname):
            raise AgentError(
                f"cloud: expected https:// to {parts.hostname}: on the way anybody could read the claim code"
            )
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise AgentError(f"cloud's CA file {ca_file}: expected PEM: {error}") from None
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def enrol(self, machine: str, code: str, key: bytes) -> Enrolled:
        """A certificate for ``key`` in exchange for a claim code. Raises AgentError."""
        from edge_agent.identity import keys

        return self._ask("/enrolments", Enrol(machine=machine, code=code, csr=keys.signing_request(key, machine)), key)

    def renew(self, pair: Pair, key: bytes) -> Enrolled:
        """A certificate for the new ``key``, asked for by the present one. Raises AgentError."""
        from edge_agent.identity import keys

        machine, csr = pair.facts.machine, keys.signing_request(key, pair.facts.machine)
        signature = keys.sign(pair.key_file.read_bytes(), renewal_statement(machine, csr))
        present = pair.cert_file.read_text("ascii")
        asked = Renew(machine=machine, certificate=present, csr=csr, signature=signature)
        return self._ask("/enrolments/renewals", asked, key)

    def _ask(self, path: str, body: Body, key: bytes) -> Enrolled:
        from edge_agent.identity import keys

        status, answer = self._post(f"{self._path}/api/v1{path}", body.to_bytes())
        if status != HTTPStatus.CREATED:
            raise _refusal(status, answer)
        try:
            enrolled = Enrolled.from_bytes(answer)
        except MessageError as error:
            raise AgentError(f"cloud {self._host}: expected a certificate, got: {error}") from None
        if not keys.belongs(key, enrolled.certificate):
            raise AgentError(f"cloud {self._host}: the certificate is for another key; not taken")
        return enrolled

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        import http.client  # here, for the same reason

        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=WITHIN_S)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=WITHIN_S, context=self._tls)
        )
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise AgentError(f"cloud {self._host}: expected an answer, got: {error}") from error
        finally:
            connection.close()


def _refusal(status: int, answer: bytes) -> AgentError:
    try:
        told: Any = json.loads(answer)
        words = str(told.get("detail") or told.get("title"))
    except (ValueError, AttributeError):
        words = f"HTTP {status}"
    kind = EnrolmentRefused if 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS else AgentError
    return kind(f"cloud: {words[:500]}")
