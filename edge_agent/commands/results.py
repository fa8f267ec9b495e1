"""How a command ended, in the words of the contract."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from device_profiles.capabilities.evidence import Verdict
from device_profiles.capabilities.model import Action, Command, Effect
from device_profiles.messages.body import first_problem
from device_profiles.messages.command import CommandBody, CommandError, Outcome, ReconciledBody, ResultBody
from edge_agent.errors import MachineBusy, SlotNotReady
from firmware_bridge.errors import (
    BridgeError,
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    TransportLost,
    UnsupportedCommand,
)


def succeeded(body: CommandBody, output: dict[str, Any]) -> ResultBody:
    """It was done."""
    return ResultBody(command_id=body.command_id, outcome=Outcome.SUCCEEDED, output=output, flow_id=body.flow_id)


def ended(body: CommandBody, outcome: Outcome, code: str, action: Action, detail: str) -> ResultBody:
    """It ended otherwise."""
    error = CommandError(code=code, action=action, detail=detail[:500])
    return ResultBody(command_id=body.command_id, outcome=outcome, error=error, flow_id=body.flow_id)


def refused(body: CommandBody, detail: str) -> ResultBody:
    """It cannot be run here: unknown slot, unknown command, wrong arguments."""
    return ended(body, Outcome.REFUSED, "invalid_command", Action.SOFTWARE_ERROR, detail)


def wrong_arguments(body: CommandBody, error: ValidationError) -> ResultBody:
    """Its arguments do not have the command's shape."""
    return refused(body, f"args: {first_problem(error)}")


def expired(body: CommandBody, detail: str) -> ResultBody:
    """It came too late, and nothing was done."""
    return ended(body, Outcome.EXPIRED, "expired", Action.SUSPEND, detail)


def interrupted(body: CommandBody) -> ResultBody:
    """The agent was restarted while its effect may have happened."""
    detail = "the agent was restarted while it ran: look at the device's status and counters"
    return ended(body, Outcome.UNKNOWN, "interrupted", Action.SUSPEND, detail)


def overran(body: CommandBody, command: Command) -> ResultBody:
    """It took longer than ``run_for_s`` and was given up."""
    outcome = Outcome.UNKNOWN if command.effect is Effect.ONCE else Outcome.FAILED
    return ended(body, outcome, "timeout", Action.SUSPEND, f"not done within {body.run_for_s:g} s")


def not_ready(body: CommandBody, error: SlotNotReady) -> ResultBody:
    """The device was not there, and nothing was asked of it."""
    action = Action.SUSPEND if error.code in ("updating", "vendor_mode") else Action.MAINTENANCE
    return ended(body, Outcome.FAILED, error.code, action, str(error))


def busy(body: CommandBody, error: MachineBusy) -> ResultBody:
    """The machine is not for this now, and nothing was done."""
    return ended(body, Outcome.REFUSED, error.code, Action.SUSPEND, str(error))


def reconciled(told: ResultBody, verdict: Verdict, output: dict[str, Any], evidence: str) -> ReconciledBody:
    """What the evidence says of a command that was ``told`` as unknown."""
    outcome, error = _VERDICTS[verdict]
    return ReconciledBody(
        command_id=told.command_id, outcome=outcome, output=output, error=error, flow_id=told.flow_id, evidence=evidence
    )


_VERDICTS: Mapping[Verdict, tuple[Outcome, CommandError | None]] = {
    Verdict.DONE: (Outcome.SUCCEEDED, None),
    Verdict.NOT_DONE: (
        Outcome.FAILED,
        CommandError(code="not_done", action=Action.SUSPEND, detail="the device shows that nothing was done"),
    ),
    Verdict.LOST: (
        Outcome.UNKNOWN,
        CommandError(code="evidence_lost", action=Action.CLEAR, detail="the device cannot tell any more: look at it"),
    ),
}


def of_driver(body: CommandBody, error: BridgeError) -> ResultBody:
    """What a driver's error means."""
    match error:
        case DeviceFault():
            return ended(body, Outcome.FAILED, error.code, error.action, error.detail)
        case OutcomeUnknown():
            return ended(body, Outcome.UNKNOWN, "outcome_unknown", Action.SUSPEND, str(error))
        case UnsupportedCommand():
            return refused(body, str(error))
        case TransportLost() | LinkTimeout():
            return ended(body, Outcome.FAILED, "device_offline", Action.MAINTENANCE, str(error))
        case _:
            return ended(body, Outcome.FAILED, "hardware_error", Action.MAINTENANCE, str(error))


def defect(body: CommandBody, command: Command, started: bool, error: Exception) -> ResultBody:
    """Our own code failed; the details are in the log, since they may name a person."""
    outcome = Outcome.UNKNOWN if started and command.effect is Effect.ONCE else Outcome.FAILED
    return ended(body, outcome, "software_error", Action.SOFTWARE_ERROR, f"{type(error).__name__} in the agent")
