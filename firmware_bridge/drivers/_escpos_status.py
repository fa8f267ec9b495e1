"""What an ESC/POS printer's sensors mean in the capability's words."""

from enum import StrEnum
from typing import TypeVar

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.printer import PRINTER, Cover, Cutter, Paper, Presenter, PrinterStatus
from firmware_bridge.codecs.escpos import Condition
from firmware_bridge.errors import DeviceFault

Value = TypeVar("Value", bound=StrEnum)


def raise_if_stopped(condition: Condition, told: str) -> None:
    """Raises the DeviceFault of whatever keeps the printer from printing; ``told`` is what that means for the print."""
    if condition.stuck:
        raise DeviceFault(
            "user_error", Action.CLEAR, f"the printer answers but processes nothing (paper, cover, cutter?): {told}"
        )
    status = status_of(condition)
    for field, value in (
        ("cover", status.cover),
        ("paper", status.paper),
        ("cutter", status.cutter),
        ("device", status.device),
    ):
        fault = PRINTER.fault_of(field, str(value))
        if fault is not None and value != Paper.LOW:
            raise DeviceFault(fault.code, fault.action, f"the printer's {field} is {value}: {told}")
    if condition.off_line or condition.head_hot:
        raise DeviceFault("device_not_ready", Action.SUSPEND, f"the printer is off-line for a moment: {told}")


def status_of(condition: Condition, printed_total: int | None = None) -> PrinterStatus:
    """The capability's status; what the printer cannot tell is None, or unknown for its paper."""
    return PrinterStatus(
        device=_device(condition),
        paper=_paper(condition),
        cover=_one_of(condition.cover_open, Cover.OPEN, Cover.CLOSED),
        cutter=_one_of(condition.cutter_error, Cutter.FAULT, Cutter.OK),
        presenter=_one_of(condition.ticket_in_presenter, Presenter.TICKET, Presenter.EMPTY),
        printed_total=printed_total,
    )


def _one_of(bit: bool | None, is_set: Value, is_clear: Value) -> Value | None:
    return None if bit is None else is_set if bit else is_clear


def _device(condition: Condition) -> DeviceState:
    if condition.unrecoverable:
        return DeviceState.HARDWARE_ERROR
    if condition.stuck:
        return DeviceState.USER_ERROR
    return DeviceState.BUSY if condition.head_hot else DeviceState.ONLINE


def _paper(condition: Condition) -> Paper:
    if condition.paper_out:
        return Paper.OUT
    if condition.mechanical_error:  # ESC/POS has no bit for a jam: this one is the carriage or the paper path
        return Paper.JAMMED
    if condition.paper_out is None:
        return Paper.UNKNOWN
    return Paper.LOW if condition.paper_low else Paper.FULL
