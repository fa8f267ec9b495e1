"""What every request must be before a route sees it: a body that is not too large, and JSON that any store can keep.

Checked once, here: a NUL, half a surrogate pair, NaN or ten thousand levels would otherwise fail deep inside a feature
or a database, each in its own way.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.app.problems import answer, problem_of
from cloud.core.errors import HallfleetError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
BIGGEST = 2**63 - 1
# Read and thrown away, so that a client that sends a little too much sees the answer and not a broken connection.
DRAINED_BYTES = 1024 * 1024


class Malformed(HallfleetError):
    """The request is not what it says it is."""

    status = 400
    code = "malformed"
    title = "Malformed request"


class TooLarge(HallfleetError):
    """The body is larger than any that has a meaning here."""

    status = 413
    code = "too_large"
    title = "Body too large"


class NotJson(HallfleetError):
    """The body is of a type that the interface does not read."""

    status = 415
    code = "unsupported_media_type"
    title = "Expected JSON"


class BodyRules:
    """Middleware: reads the body of a request, refuses it with a problem document or hands it on unchanged.

    Size holds everywhere; JSON rules hold below ``json_below`` (the pages have forms).
    """

    def __init__(self, app: ASGIApp, json_below: str) -> None:
        self._app = app
        self._json_below = json_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_address(scope)
            receive = await self._read(scope, receive)
        except HallfleetError as error:
            await answer(problem_of(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            return receive
        messages = await _gather(receive, _announced(headers))
        body = b"".join(message.get("body", b"") for message in messages)
        if body and scope["path"].startswith(self._json_below):
            check_type(headers.get("content-type", ""))
            check_json(body)
        return _again(messages, receive)


def check_type(content_type: str) -> None:
    """Raises NotJson when ``content_type`` is not JSON or built on it."""
    media = content_type.partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise NotJson(f"Content-Type: expected application/json, got {media[:60]!r}")


def check_json(body: bytes) -> None:
    """Raises Malformed when ``body`` is no JSON (RFC 8259), or JSON that a program could not keep as it is."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed(f"body: expected UTF-8, got another byte at {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"body: expected JSON, got: {error}") from None
    except RecursionError:
        raise Malformed(f"body: expected at most {MAX_DEPTH} levels of JSON, got far more") from None
    for text in _texts(value):
        _check_text(text)


def _check_address(scope: Scope) -> None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise Malformed("address: expected text, got a NUL character (%00)")


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _gather(receive: Receive, announced: int) -> list[Message]:
    """All messages of the body. Raises TooLarge, after a little patience with what still comes."""
    messages: list[Message] = []
    size = 0
    while announced <= DRAINED_BYTES and size <= DRAINED_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if size <= MAX_BYTES:
            messages.append(message)
        if not message.get("more_body", False):
            break
    if max(size, announced) > MAX_BYTES:
        raise TooLarge(f"body: expected at most {MAX_BYTES} bytes, got {max(size, announced)} or more")
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    left = iter(messages)

    async def replay() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return replay


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("body: expected every key of an object once, got one twice")
    return found


def _integer(digits: str) -> int:
    # The length first: Python refuses to read very long numbers, with an error of its own.
    value = int(digits) if len(digits) <= 20 else BIGGEST + 1
    if abs(value) > BIGGEST:
        raise Malformed("body: expected whole numbers of at most 64 bits, got a larger one")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed("body: expected a number that fits 64 bits, got a larger one")
    return value


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"body: expected JSON, got {name}, which is none")


def _texts(value: Any) -> Iterator[str]:
    """Every key and string of ``value``. Raises Malformed when it is too deep."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Malformed(f"body: expected at most {MAX_DEPTH} levels of JSON, got more")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                yield item
            elif isinstance(item, dict):
                yield from item
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Malformed("body: expected text, got a NUL character in a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("body: expected text, got half of a surrogate pair in a string") from None
