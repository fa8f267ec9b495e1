"""Requests that no document describes: bytes that are no JSON, no text, too many, too deep, too large."""

import socket
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cloud.app.bodies import DRAINED_BYTES, MAX_BYTES, MAX_DEPTH
from cloud.app.problems import MEDIA_TYPE
from tests.builders.clouds import HALL
from tests.cloud.garbage.serving import MACHINE, Served

API = "/api/v1"
_keys = count(1)
DEEP = 10_000
COMMAND = b'{"slot":"printer","name":"print","args":%s}'


def problem(answer: httpx.Response, status: int, said: str = "") -> dict[str, Any]:
    """The problem document of an answer with this status whose detail says this."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body.keys() >= {"type", "title", "status", "detail", "code"}
    assert body["status"] == status
    assert said in body["detail"]
    return body


def send(
    http: httpx.Client,
    method: str,
    path: str,
    content: bytes | Iterator[bytes],
    kind: str = "application/json",
    **headers: str,
) -> httpx.Response:
    """A write with a fresh key."""
    sent = {"Content-Type": kind, "Idempotency-Key": f"garbage-{next(_keys)}", **headers}
    return http.request(method, f"{API}{path}", content=content, headers=sent)


# Their answers hold secrets that no store of answers may keep, and asking twice does no harm.
WITHOUT_KEY = ("/claims", "/certificates/revoke", "/enrolments", "/enrolments/renewals")


def writes(served: Served) -> list[tuple[str, str]]:
    """Every write of the interface, with ids that exist."""
    found = []
    for template, path in served.document["paths"].items():
        for method in path.keys() & {"post", "patch", "put", "delete"}:
            address = template.removeprefix(API)
            for name, values in served.ids.items():
                address = address.replace(f"{{{name}}}", values[0])
            found.append((method.upper(), address))
    assert len(found) > 15
    return found


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"hello", 400, "expected JSON"),
        (b'{"service":', 400, "expected JSON"),
        (b'{"service":"\xff\xfe"}', 400, "expected UTF-8, got another byte at 12"),
        ('{"service":"household"}'.encode("utf-16"), 400, "expected UTF-8"),
        (b'{"service":"\\ud800"}', 400, "half of a surrogate pair"),
        (b'{"\\udfff":1}', 400, "half of a surrogate pair"),
        (b'{"service":"a\\u0000b"}', 400, "NUL"),
        (COMMAND % b'{"x":NaN}', 400, "NaN"),
        (COMMAND % b'{"x":[-Infinity]}', 400, "-Infinity"),
        (COMMAND % b'{"x":1e999}', 400, "fits 64 bits"),
        (COMMAND % b"9223372036854775808", 400, "at most 64 bits"),
        (COMMAND % (b"-" + b"9" * 5000), 400, "at most 64 bits"),
        (b'{"service":"household","service":"x"}', 400, "every key of an object once"),
        (b"[" * DEEP + b"]" * DEEP, 400, f"at most {MAX_DEPTH} levels"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400, f"at most {MAX_DEPTH} levels"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), 400, f"at most {MAX_DEPTH} levels"),
        (b'{"service":"' + b"x" * MAX_BYTES + b'"}', 413, f"at most {MAX_BYTES} bytes"),
        (b"x" * (2 * DRAINED_BYTES), 413, f"at most {MAX_BYTES} bytes"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_every_write_refuses_a_body_that_is_no_json_to_keep(
    served: Served, http: httpx.Client, body: bytes, status: int, said: str
) -> None:
    for method, path in writes(served):
        problem(send(http, method, path, body, **{"If-Match": '"1"'}), status, said)


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"[[[]]]", b"{}"])
def test_json_of_another_shape_is_refused_with_the_place(http: httpx.Client, body: bytes) -> None:
    for path in (f"/halls/{HALL}/tickets", f"/machines/{MACHINE}/commands", "/cases"):
        found = problem(send(http, "POST", path, body), 422)
        assert found["problems"]
        assert all(one["where"].startswith("body") for one in found["problems"])


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "garbage", "/", ""]
)
def test_another_content_type_is_refused_by_every_write(served: Served, http: httpx.Client, kind: str) -> None:
    for method, path in writes(served):
        problem(send(http, method, path, b'{"service":"household"}', kind), 415, "expected application/json")


def test_a_stream_without_a_length_is_bounded_too(http: httpx.Client) -> None:
    endless = (b" " * 4096 for _ in range(2 * MAX_BYTES // 4096))
    problem(send(http, "POST", f"/halls/{HALL}/tickets", endless), 413)


def test_a_form_of_the_pages_is_bounded_and_checked(served: Served, http: httpx.Client) -> None:
    path = f"/alerts/{served.ids['alert_id'][0]}/acknowledge"
    form = "application/x-www-form-urlencoded"
    for kind, body, status in (
        (form, b"key=" + b"a" * MAX_BYTES, 413),
        (form, b"&".join(b"a%d=1" % number for number in range(5000)), 400),
        (form, b"key=%00&back=/", 422),
        (form, b"\xff\xfe", 422),
        (form, b"key=k&back=//elsewhere.example", 422),
        ("multipart/form-data; boundary=x", b"garbage", 400),
        ("multipart/form-data", b"garbage", 400),
    ):
        problem(http.post(path, content=body, headers={"Content-Type": kind}), status)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_a_method_that_an_address_does_not_have_is_answered_with_those_it_has(
    served: Served, http: httpx.Client, method: str
) -> None:
    tried = 0
    for template, path in served.document["paths"].items():
        known = {name.upper() for name in path}
        if method not in known:
            answer = http.request(method, template.replace("{", "").replace("}", ""))
            assert answer.status_code == 405, template
            assert {name.strip() for name in answer.headers["allow"].split(",")} == known, template
            assert method == "HEAD" or problem(answer, 405)
            tried += 1
    assert tried > 5


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/machines/%00", 400, "NUL"),
        ("/machines?cursor=%00", 400, "NUL"),
        ("/machines/%ff%fe", 404, "machine"),
        ("/machines/..%2f..%2fetc%2fpasswd", 404, ""),
        ("/machines/" + "a" * 30_000, 404, "machine"),
        ("/machines?limit=1e3", 422, "query.limit"),
        ("/machines?limit=-1", 422, "query.limit"),
        ("/machines?limit=" + "9" * 40, 422, "query.limit"),
        ("/machines?state=broken", 422, "query.state"),
        ("/machines?cursor=%E2%82%AC", 422, "query.cursor"),
        ("/cases?cursor=garbage", 422, "cursor: expected the value of `next`"),
        ("/cases?cursor=9999999999999999999.x", 422, "cursor: expected the value of `next`"),
        ("/alerts?cursor=1.", 422, "cursor: expected the value of `next`"),
        ("/alerts?cursor=%D9%A1.x", 422, "cursor: expected the value of `next`"),
        ("/quarantine?cursor=99999999999999999999", 422, "query.cursor"),
        ("/quarantine?cursor=-1", 422, "query.cursor"),
        (f"/machines/{MACHINE}/events?cursor=1-" + "9" * 19, 422, "cursor: expected `next`"),
        (f"/machines/{MACHINE}/commands?cursor=x'%20OR%201=1--", 422, "query.cursor"),
        (f"/machines/{MACHINE}/telemetry?metric=a&to=0001-01-01T00:00:00Z", 422, "to: expected a time between"),
        (f"/machines/{MACHINE}/telemetry?metric=a&to=0001-01-01T00:00:00%2B14:00", 422, "to: expected a time between"),
        (f"/machines/{MACHINE}/telemetry?metric=a&from=9999-12-31T23:59:59-14:00", 422, "from: expected a time"),
        (f"/machines/{MACHINE}/telemetry?metric=a&to=2026-01-01T00:00:00", 422, "query.to"),
        (f"/machines/{MACHINE}/telemetry?metric=a&every=nan", 422, "query.every"),
        (f"/machines/{MACHINE}/telemetry?metric=a&every=inf", 422, "query.every"),
        (f"/halls/{HALL}/stream?last_event_id=" + "1" * 21, 422, "last_event_id"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
def test_garbage_in_an_address_is_named(http: httpx.Client, path: str, status: int, said: str) -> None:
    problem(http.get(f"{API}{path}"), status, said)


@pytest.mark.parametrize("cursor", ["999999999999999.x", "0.0"])
def test_a_cursor_of_no_page_is_an_empty_page_or_the_first(http: httpx.Client, cursor: str) -> None:
    for path in ("/cases", "/alerts"):
        assert http.get(f"{API}{path}", params={"cursor": cursor}).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 121, "\xe9", "a\tb"])
def test_an_odd_idempotency_key_is_refused_before_anything_is_done(
    served: Served, http: httpx.Client, key: str
) -> None:
    before = http.get(f"{API}/halls/{HALL}/queue").json()
    for method, path in writes(served):
        if method == "POST" and not path.endswith(WITHOUT_KEY):
            headers = {b"Idempotency-Key": key.encode("latin-1")}
            answer = http.post(f"{API}{path}", json={}, headers=headers)
            problem(answer, 422)
            assert "header.idempotency-key" in {one["where"] for one in answer.json()["problems"]}
    assert http.get(f"{API}/halls/{HALL}/queue").json() == before


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("", 428), ('"0"', 412), ('"999999999999999999"', 412), ('"9999999999999999999"', 422), ("*", 422), ("1", 422),
        ('W/"1"', 422), ('"1", "2"', 422), ('""', 422), ('"-1"', 422), ("\xff", 422),
    ],
)  # fmt: skip
def test_an_if_match_that_is_none_of_ours_changes_nothing(http: httpx.Client, tag: str, status: int) -> None:
    path = f"{API}/machines/{MACHINE}/desired"
    before = http.get(path).json()
    answer = http.patch(path, json={"public_url": "http://elsewhere"}, headers={b"If-Match": tag.encode("latin-1")})
    problem(answer, status, "If-Match" if status != 412 else "")
    assert http.get(path).json() == before


def test_a_twin_that_the_machine_would_not_understand_is_refused(http: httpx.Client) -> None:
    path = f"{API}/machines/{MACHINE}/desired"
    tag = http.get(path).headers["etag"]
    garbage: list[dict[str, Any]] = [{"public_url": 7}, {"services": "all"}, {"items": {"x": []}}, {"seal_key": ["x"]}]
    for values in garbage:
        problem(http.patch(path, json=values, headers={"If-Match": tag}), 422, "desired: ")
    assert http.get(path).headers["etag"] == tag


@pytest.mark.parametrize("seen", ["-1", "1e5", "٣", "²", "x" * 20, "99999999999999999999", "1\u00002"])
def test_a_last_event_id_that_is_none_of_ours_is_taken_as_none(http: httpx.Client, seen: str) -> None:
    for path in (f"{API}/halls/{HALL}/stream", "/crew/stream"):
        answer = http.get(path, params={"last_event_id": seen})
        if "\0" in seen:
            problem(answer, 400, "NUL")
        else:
            assert answer.text.startswith("retry:")
            assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    "text",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS to a port without TLS
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"POST /api/v1/cases HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/cases HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/v1/cases HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/cases HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nthen nothing",
    ],
    ids=lambda value: repr(value[:30]),
)
def test_bytes_that_are_no_http_end_that_connection_only(served: Served, http: httpx.Client, text: bytes) -> None:
    address = urlsplit(served.url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 0), timeout=5) as line:
        try:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            said = line.recv(4096)
        except OSError:  # the server was quicker and has closed the line already
            said = b""
    assert not said or said.startswith(b"HTTP/1.1 4")
