"""Whether a living person stood before the camera, as a port with adapters.

A verdict is never the only way to identify somebody: it is one piece of evidence beside the document and the finger.
Where it is missing or undecided (``live`` None) a person decides. No adapter here looks at pixels: that takes a model
of its own, which plugs in as one more ``Liveness``.
"""

from typing import Protocol

from device_profiles.capabilities.camera import LivenessOutput
from firmware_bridge.codecs.camera import Picture


class View(Protocol):
    """What an adapter may ask of the camera."""

    async def picture(self, wait_s: float) -> Picture:
        """A picture taken from now on; raises DeviceFault, LinkTimeout."""

    async def verdict(self) -> str:
        """What stands beside the last picture: ``live 0.97``, ``spoof 0.1`` or ``unknown``."""


class Liveness(Protocol):
    """One way to judge. Raises what the camera raises; never guesses."""

    async def judge(self, view: View, wait_s: float) -> LivenessOutput: ...


class Undecided:
    """No check: a person decides."""

    async def judge(self, view: View, wait_s: float) -> LivenessOutput:
        return LivenessOutput(live=None, method="none")


class VerdictBeside:
    """The verdict that stands beside the picture, for tests and demos; a camera has none, so it is undecided there."""

    async def judge(self, view: View, wait_s: float) -> LivenessOutput:
        await view.picture(wait_s)
        word, _, score = (await view.verdict()).partition(" ")
        if word not in ("live", "spoof"):
            return LivenessOutput(live=None, method="file")
        return LivenessOutput(live=word == "live", score=float(score), method="file")


ADAPTERS: dict[str, Liveness] = {"none": Undecided(), "file": VerdictBeside()}
