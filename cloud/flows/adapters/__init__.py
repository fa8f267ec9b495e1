"""How departments are reached."""

from collections.abc import Mapping

from cloud.flows.adapters.http_departments import HttpDepartments
from cloud.flows.model import Answer
from cloud.flows.service import Departments


class NoDepartments:
    """Where no back office is set up: every call ends as unavailable after its patience."""

    async def call(self, operation: str, body: Mapping[str, str | int], attempt: int) -> Answer:
        """Nobody answers."""
        return Answer("again")


def open_departments(url: str) -> Departments:
    """The departments at ``url``, or none for an empty one."""
    return HttpDepartments(url) if url else NoDepartments()
