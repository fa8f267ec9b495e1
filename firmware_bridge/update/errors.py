"""What can go wrong with an update. Every message says what was expected, what came, and what to do."""

from firmware_bridge.errors import BridgeError


class UpdateError(BridgeError):
    """An update did not come to its end."""


class FirmwareRefused(UpdateError):
    """The image may not go into this device: nothing has been sent. ``reason`` is one word for facts."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TransferFailed(UpdateError):
    """The loader did not take the image; the device runs, or can load, what it had before."""


class SelfTestFailed(UpdateError):
    """The new firmware runs but does not do its work."""


class NoWayBack(UpdateError):
    """The previous firmware cannot be put back from here: somebody has to go to the device."""
