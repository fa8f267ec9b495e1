"""``GET /me``: who is asking, and what that person or program may do."""

from fastapi import APIRouter

from cloud.access.schemas import Me
from cloud.core.callers import CALLER


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["access"])

    @routes.get("/me")
    async def get_me() -> Me:
        """The account or token that this request came with."""
        caller = CALLER.get()
        rights = {str(permission): sorted(halls) for permission, halls in sorted(caller.rights.items())}
        return Me(kind=caller.actor.kind, id=caller.actor.id, name=caller.name, permissions=rights)

    return routes
