"""Jinja2 as every page uses it: everything is escaped, a name that is not there is an error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from cloud.core.callers import CALLER, Permission
from cloud.web.assets import Assets
from cloud.web.words import WORDS


class Pages:
    """Renders templates. ``assets`` gives the addresses of scripts and the stylesheet."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("cloud.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(asset=assets.url, words=WORDS, caller=CALLER.get, may=_may)
        self._environment.filters.update(clock=clock, minutes=minutes, place=place, seconds=seconds)

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The template as HTML."""
        return self._environment.get_template(template).render(values)

    def answer(self, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """A page or a part of one that no cache may keep."""
        return HTMLResponse(self.render(template, values), status, {"Cache-Control": "no-store"})


def _may(permission: str, hall: str = "") -> bool:
    """Whether the caller may do it: what a page does not offer to others."""
    return CALLER.get().may(Permission(permission), hall)


def clock(at: datetime, timezone: str) -> str:
    """The time of day where the hall stands, such as ``14:05``."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%H:%M")


def seconds(at: datetime) -> int:
    """Seconds since 1970: how the chart takes time."""
    return int(at.timestamp())


def minutes(seconds: float) -> int:
    """Whole minutes, rounded up: nobody is told a shorter wait than was reckoned."""
    return -int(-seconds // 60)


def place(metres: float) -> float:
    """Metres as units of the floor plan's drawing: ten to the metre."""
    return round(metres * 10, 1)
