"""Errors of this room. Every message says what was expected, what came and where.

``transient`` tells the slot runner that trying again later may help without anybody touching the machine.
"""

from device_profiles.capabilities.model import Action


class BridgeError(Exception):
    """Something between the driver's call and the device went wrong."""

    transient: bool = False


class TransportLost(BridgeError):
    """The line is gone: unplugged, closed, or it cannot be opened. Open it again later."""

    transient = True


class FrameError(BridgeError):
    """Bytes that cannot be put into a frame, or a well-framed answer whose content cannot be read."""

    transient = True


class PeerBrokeProtocol(BridgeError):
    """The device answers, but not as its document says: most likely another device is on this line."""


class LinkTimeout(BridgeError):
    """No accepted answer within the deadline; nothing in the world has changed."""

    transient = True


class OutcomeUnknown(BridgeError):
    """A request with a physical effect went out and its outcome is not known: never repeat it blindly."""


class UnsupportedCommand(BridgeError):
    """The driver does not know this command, or not with these arguments."""


class DeviceFault(BridgeError):
    """The device said no. ``code`` is the XFS4IoT word in snake case, ``action`` who must act."""

    def __init__(self, code: str, action: Action, detail: str) -> None:
        super().__init__(f"{code}: {detail} (action: {action})")
        self.code = code
        self.action = action
        self.detail = detail
