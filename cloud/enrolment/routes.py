"""Claims, enrolment, renewal and revocation over HTTP."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from cloud.core.errors import NotFound
from cloud.enrolment import store
from cloud.enrolment.adapters.revocation_list import RevocationFile
from cloud.enrolment.model import Certificate
from cloud.enrolment.schemas import (
    ClaimView,
    IdentityView,
    MachineCertificates,
    RevokeMachine,
    certificate_view,
    claim_view,
    enrolled,
    identity_view,
)
from cloud.enrolment.service import EnrolmentService
from cloud.enrolment.service.pace import Pace
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database
from device_profiles.messages.enrolment import Enrol, Enrolled, Renew


def router(service: EnrolmentService, db: Database) -> APIRouter:
    """What people may do."""
    routes = APIRouter(tags=["enrolment"])

    @routes.post("/machines/{machine}/claims", status_code=201)
    async def make_claim(machine: str) -> ClaimView:
        """A code that enrols this machine once. Earlier unused codes of the machine become worthless."""
        return claim_view(await db.write(lambda tx: service.make_claim(tx, machine)))

    @routes.post("/machines/{machine}/certificates/revoke")
    async def revoke_machine(machine: str, asked: RevokeMachine) -> IdentityView:
        """End all certificates and codes of a machine; it stays out until it is enrolled anew."""
        return identity_view(machine, await db.write(lambda tx: service.revoke(tx, machine, asked.reason)))

    @routes.get("/machines/{machine}/certificates")
    async def get_certificates(machine: str) -> MachineCertificates:
        """How the machine stands, and its certificates."""
        service.check_machine(machine)
        return await db.read(lambda conn: _certificates(conn, machine))

    return routes


def public_router(service: EnrolmentService, db: Database, file: RevocationFile, broker: str, pace: Pace) -> APIRouter:
    """What needs no log-in: a claim code or the present certificate says who asks."""
    routes = APIRouter(tags=["enrolment"])

    def answer(certificate: Certificate) -> Enrolled:
        return enrolled(certificate, service.authority.pem, broker)

    @routes.post("/enrolments", status_code=201)
    async def enrol(request: Request, asked: Enrol) -> Enrolled:
        """A claim code and a signing request for a certificate. The same code and key again: the same certificate."""
        pace.check(_address(request))
        return answer(await db.write(lambda tx: service.enrol(tx, asked.machine, asked.code, asked.csr)))

    @routes.post("/enrolments/renewals", status_code=201)
    async def renew(request: Request, asked: Renew) -> Enrolled:
        """A certificate for a new key, asked for by the key of the present certificate."""
        pace.check(_address(request))
        certificate = await db.write(
            lambda tx: service.renew(tx, asked.machine, asked.certificate, asked.csr, asked.signature)
        )
        return answer(certificate)

    @routes.get("/enrolments/revocations", response_class=Response)
    async def get_revocations() -> Response:
        """The revocation list (DER), for brokers that fetch it."""
        pem = await run_in_threadpool(file.read)
        if pem is None:
            raise NotFound("revocation list: not written yet; `hallfleet cloud broker-files` writes the first one")
        return Response(service.authority.as_der(pem), media_type="application/pkix-crl")

    return routes


def _certificates(conn: Connection, machine: str) -> MachineCertificates:
    return MachineCertificates(
        identity=identity_view(machine, store.read_identity(conn, machine)),
        certificates=[certificate_view(one) for one in store.of_machine(conn, machine)],
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
