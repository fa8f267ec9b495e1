"""Errors of this room. Every message says what was expected, what came, where, and what to do."""


class AgentError(Exception):
    """Something in the agent went wrong."""


class StorageError(AgentError):
    """A file of the agent cannot be opened or written."""


class OutboxFull(AgentError):
    """The outbox has no room for this row: it was not accepted, and nothing was lost that had been accepted."""


_ADVICE = {
    "updating": "wait until its update is done",
    "vendor_mode": "wait until the technician has ended the vendor mode",
}


class SlotNotReady(AgentError):
    """The peripheral is not there or does not answer: nothing has been asked of it. ``code`` is the XFS word."""

    def __init__(self, slot: str, state: str, code: str) -> None:
        advice = _ADVICE.get(code, "check its cable and power")
        super().__init__(f"slot {slot}: expected a running device, it is {state}; {advice}")
        self.code = code


class MachineBusy(AgentError):
    """Somebody is being served, or something else has the machine: what was asked has to wait. ``code`` says which."""

    def __init__(self, words: str, code: str = "busy_with_citizen") -> None:
        super().__init__(words)
        self.code = code


class LinkLost(AgentError):
    """The link to the broker is down, or went down before the broker had confirmed."""


class PublishRefused(AgentError):
    """The broker said no to a message: wrong rights, or too large."""


class LocalRefusal(AgentError):
    """A citizen's wish that this machine cannot serve now. ``zh`` and ``en`` are the words on the screen."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en
