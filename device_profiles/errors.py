"""Errors of this room. Every message says what was expected, what came and where."""


class ProfileError(Exception):
    """A profile file, or a reference between profiles, is wrong."""


class MessageError(Exception):
    """A topic or a message body does not follow the contract."""


class HallRuleError(Exception):
    """A step that the hall's rules do not allow, such as calling a ticket that is already done."""
