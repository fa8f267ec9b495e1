"""Departments over HTTP: payment gateway, population register, exit-entry administration."""

from collections.abc import Mapping
from typing import Any

import httpx

from cloud.flows.model import Answer

TIMEOUT_S = 5.0
NOT_FOUND = 404
_NOT_NOW = {408, 425, 429}


class HttpDepartments:
    """Speaks to the gateway at ``url``, with a new connection for each call: a minute lies between most of them."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``transport``: how to reach it other than over the network."""
        self._url = url.rstrip("/")
        self._transport = transport
        self._operations = {
            "payment.authorise": self._authorise,
            "payment.reverse": self._reverse,
            "population.check": self._population_check,
            "population.renewal": self._renewal,
            "exit_entry.eligibility": self._eligibility,
            "exit_entry.endorsement": self._endorsement,
        }

    async def call(self, operation: str, body: Mapping[str, str | int], attempt: int) -> Answer:
        """One attempt. Raises KeyError for an operation that no department offers."""
        try:
            return await self._operations[operation](body, attempt)
        except _NoAnswer:
            return Answer("again")

    async def _authorise(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        """After an attempt without an answer the order's state is asked for; only "not known here" allows to ask again,
        with the same key, so that a first request that was merely slow cannot take the money twice."""
        if attempt > 0:
            known = await self._send("GET", f"/payments/{body['key']}")
            if known.is_success:
                return _payment(_object(known))
            if known.status_code != NOT_FOUND:
                return Answer("again")
        return _payment(await self._ask("POST", "/payments", body))

    async def _reverse(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        answer = await self._send("POST", f"/payments/{body['payment_key']}/reverse")
        if answer.status_code == NOT_FOUND:
            return Answer("succeeded", {"state": "nothing_taken"})
        if not answer.is_success:
            return Answer("declined")
        said = _object(answer)
        taken = said.get("state") == "reversed" and said.get("amount_fen") != 0
        return Answer("succeeded", {"state": "reversed" if taken else "nothing_taken"})

    async def _population_check(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        return _yes_or_no(await self._ask("POST", "/population/check", body), "ok")

    async def _renewal(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        return _done(await self._ask("POST", "/population/renewals", body), "receipt_number", "collect_from")

    async def _eligibility(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        return _yes_or_no(await self._ask("POST", "/exit-entry/eligibility", body), "eligible")

    async def _endorsement(self, body: Mapping[str, str | int], attempt: int) -> Answer:
        return _done(await self._ask("POST", "/exit-entry/endorsements", body), "endorsement_number", "valid_until")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
        """The answer's body; None when the department refuses. Raises _NoAnswer when nobody knows."""
        answer = await self._send(method, path, body)
        return _object(answer) if answer.is_success else None

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, transport=self._transport) as client:
                answer = await client.request(method, self._url + path, json=body)
        except httpx.TransportError as error:
            raise _NoAnswer from error
        if answer.status_code >= 500 or answer.status_code in _NOT_NOW:
            raise _NoAnswer
        return answer


class _NoAnswer(Exception):
    """It is not known whether the department did what it was asked."""


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except ValueError as error:
        raise _NoAnswer from error
    if not isinstance(said, dict):
        raise _NoAnswer
    return said


def _payment(said: Mapping[str, Any] | None) -> Answer:
    return Answer("succeeded" if said is not None and said.get("state") == "authorised" else "declined")


def _yes_or_no(said: Mapping[str, Any] | None, name: str) -> Answer:
    return Answer("succeeded" if said is not None and said.get(name) is True else "declined")


def _done(said: Mapping[str, Any] | None, *names: str) -> Answer:
    if said is None:
        return Answer("declined")
    if any(name not in said for name in names):
        raise _NoAnswer
    return Answer("succeeded", {name: str(said[name])[:60] for name in names})
