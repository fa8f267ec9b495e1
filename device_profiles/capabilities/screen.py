"""The machine's own touch screen, as a journey in the cloud uses it (served by the agent, no driver)."""

from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands


class ScreenStatus(Status):
    """Status of the screen."""


class Bilingual(Shape):
    """The same words in Chinese and English."""

    zh: str = Field(max_length=200)
    en: str = Field(max_length=200)


class ShowArgs(Shape):
    """Show a message; ``tone`` decides the picture: what to do now, please wait, done, or what went wrong."""

    message: Bilingual
    tone: Literal["act", "wait", "done", "fault"] = "wait"
    end_session: bool = Field(
        default=False, description="the journey is over: go back home after the citizen has read it"
    )


class Option(Shape):
    """One key on the screen."""

    id: str = Field(max_length=40)
    label: Bilingual


class ChooseArgs(Shape):
    """Ask the citizen to touch one option; fails with ``no_choice`` after ``wait_s``."""

    question: Bilingual
    options: list[Option] = Field(min_length=1, max_length=12)
    wait_s: float = Field(default=60.0, gt=0, le=600)


class Choice(Shape):
    """The id of the option touched."""

    option: str


SCREEN = Capability(
    name="screen",
    status=ScreenStatus,
    commands=commands(
        Command("show", Effect.IDEMPOTENT, ShowArgs),
        Command("choose", Effect.READ, ChooseArgs, Choice),
    ),
)
