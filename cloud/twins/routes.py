"""``/machines/{m}/desired`` and ``/machines/{m}/reported``."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response

from cloud.core.errors import Invalid, PreconditionRequired
from cloud.storage.unit_of_work import Database, Tx
from cloud.twins import store
from cloud.twins.schemas import TwinSide
from cloud.twins.service import Desired, TwinService, desired_of

ETAG = re.compile(r'"([0-9]{1,18})"')
# The pattern is only described here: our own words are clearer than the framework's.
IfMatch = Annotated[
    str | None,
    Header(description='ETag of GET, such as "3"; needed', json_schema_extra={"pattern": f"^{ETAG.pattern}$"}),
]


def router(service: TwinService, db: Database, check_machine: Callable[[str], object]) -> APIRouter:
    """The routes; ``check_machine`` raises NotFound for a machine that is not ours."""
    routes = APIRouter(tags=["twins"])

    @routes.get("/machines/{machine}/desired")
    async def get_desired(machine: str, response: Response) -> TwinSide:
        """What is wanted of a machine; the ETag is what PATCH wants in If-Match."""
        check_machine(machine)
        desired = await db.read(lambda conn: desired_of(store.read_twin(conn, machine)))
        return _side(desired, response)

    @routes.patch("/machines/{machine}/desired")
    async def patch_desired(
        machine: str,
        patch: Annotated[dict[str, Any], Body(description="JSON merge patch (RFC 7396)")],
        response: Response,
        if_match: IfMatch = None,
    ) -> TwinSide:
        """Change what is wanted, unless somebody else did meanwhile (412)."""
        check_machine(machine)
        expected = _version(if_match)

        def change(tx: Tx) -> Desired:
            return service.patch_desired(tx, machine, patch, expected)

        return _side(await db.write(change), response)

    @routes.get("/machines/{machine}/reported")
    async def get_reported(machine: str) -> TwinSide:
        """What a machine last reported of itself; version -1: nothing yet."""
        check_machine(machine)
        twin = await db.read(lambda conn: store.read_twin(conn, machine))
        return TwinSide(machine=machine, version=twin["reported_version"], values=twin["reported"])

    return routes


def _side(desired: Desired, response: Response) -> TwinSide:
    response.headers["ETag"] = f'"{desired.version}"'
    return TwinSide(machine=desired.machine, version=desired.version, values=dict(desired.values))


def _version(if_match: str | None) -> int:
    if not if_match:
        raise PreconditionRequired("If-Match: expected the ETag of GET .../desired, got none")
    found = ETAG.fullmatch(if_match)
    if found is None:
        raise Invalid(f'If-Match: expected an ETag such as "3", got {if_match[:40]!r}')
    return int(found[1])
