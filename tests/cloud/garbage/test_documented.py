"""The whole interface against its own OpenAPI document: schemathesis makes what fits it and what does not."""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests import Session  # schemathesis speaks through it
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from cloud.app.problems import MEDIA_TYPE
from tests.cloud.garbage.serving import Served

PROBLEM = {"type", "title", "status", "detail", "code"}
# What fits the document and may be refused all the same; 412 and 428 answer an If-Match of another version, or none.
ACCEPTANCE = ["2xx", "3xx", "401", "403", "404", "409", "412", "428"]
# Where no schema can say what fits: `args` and `desired` depend on the machine, one end of a window on the other.
OPEN_ENDED = [
    "POST /api/v1/machines/{machine}/commands",
    "PATCH /api/v1/machines/{machine}/desired",
    "GET /api/v1/machines/{machine}/telemetry",
    # What a claim code is, and a signing request or a certificate that can be read, no schema can say.
    "POST /api/v1/enrolments",
    "POST /api/v1/enrolments/renewals",
]
CONFIG = {
    # JSON Schema has no short word for "no NUL"; that NUL is refused is asked in test_requests.
    "generation": {"allow-x00": False},
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTANCE}},
    "operations": [
        {
            "include-name": OPEN_ENDED,
            "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTANCE, "400", "422", "429"]}},
        }
    ],
}
SHARE = {"real-fitting": 0.4, "real-garbage": 0.4, "any-fitting": 0.1, "any-garbage": 0.1}


class Campaign:
    """Sends examples to every operation and keeps what was wrong, once per operation and kind."""

    def __init__(self, served: Served, ids: str, mode: GenerationMode) -> None:
        self.statuses: Counter[int] = Counter()
        self.failures: dict[tuple[str, str], str] = {}
        self._served = served
        self._mode = mode
        self._real = ids == "real"
        self._session = Session()
        self._session.trust_env = False

    def run(self, examples: int) -> None:
        for operation in self._operations():
            self._try(operation, examples)
        self._session.close()

    def _operations(self) -> Iterator[APIOperation[Any, Any, Any, Any]]:
        document = deepcopy(self._served.document)
        if self._real:
            _name_what_exists(document, self._served.ids)
        schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
        schema.config.update(base_url=self._served.url)
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            if self._mode is GenerationMode.POSITIVE or _can_be_wrong(operation):
                yield operation

    def _try(self, operation: APIOperation[Any, Any, Any, Any], examples: int) -> None:
        @settings(
            max_examples=examples,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=self._mode))
        def send(case: Case) -> None:
            self._send(operation.label, case)

        try:
            send()
        except Unsatisfiable:
            assert self._mode is GenerationMode.NEGATIVE, operation.label

    def _send(self, label: str, case: Case) -> None:
        response = case.call(session=self._session, timeout=10)
        self.statuses[response.status_code] += 1
        wrong: list[str] = []
        try:
            case.validate_response(response)
        except BaseExceptionGroup as group:
            wrong += [f"{type(error).__name__}: {error}" for error in group.exceptions]
        if response.status_code >= 400:
            wrong += _problem_problems(response.status_code, response.headers, response.json())
        for text in wrong:
            self.failures.setdefault((label, text[:40]), f"{text[:600]}\n  {case.as_curl_command()[:600]}")


def _name_what_exists(document: dict[str, Any], ids: dict[str, list[str]]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": ids[parameter["name"]]}


def _can_be_wrong(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    raw = operation.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody"))


def _problem_problems(status: int, headers: Any, body: Any) -> list[str]:
    wrong = []
    if headers["content-type"] != [MEDIA_TYPE]:
        wrong.append(f"content type of a problem: {headers['content-type']}")
    if not isinstance(body, dict) or not body.keys() >= PROBLEM or body["status"] != status or not body["detail"]:
        wrong.append(f"not a problem document: {body}")
    return wrong


def _run(served: Served, kind: str, examples: int) -> None:
    ids, _, fit = kind.partition("-")
    campaign = Campaign(served, ids, GenerationMode.POSITIVE if fit == "fitting" else GenerationMode.NEGATIVE)
    campaign.run(max(1, round(examples * SHARE[kind])))
    print(f"{kind}: {campaign.statuses.total()} requests, {dict(campaign.statuses)}")
    told = "\n\n".join(f"{label}: {text}" for (label, _), text in campaign.failures.items())
    assert not campaign.failures, f"{len(campaign.failures)} kinds of failure:\n{told}"
    assert not any(status >= 500 for status in campaign.statuses)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", SHARE)
def test_every_operation_answers_as_documented(served: Served, kind: str) -> None:
    _run(served, kind, 25)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", SHARE)
def test_every_operation_answers_as_documented_for_long(served: Served, kind: str) -> None:
    _run(served, kind, 300)
