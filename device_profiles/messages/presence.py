"""``presence``: whether a machine, or the cloud, is there. Retained; also the last will."""

from typing import Literal

from pydantic import Field

from device_profiles.messages.body import Body, UtcTime


class Presence(Body):
    """A machine's presence on ``up/presence/agent``. ``since`` is when the agent process started (UTC)."""

    state: Literal["online", "offline"]
    epoch: int = Field(ge=0)
    agent_version: str
    since: UtcTime


class CloudPresence(Body):
    """The cloud's presence; a new ``birth`` with every start asks the machines to announce themselves again."""

    state: Literal["online", "offline"]
    birth: str = Field(max_length=64)
