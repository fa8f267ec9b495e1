"""What an ESC/POS printer's sensors mean in the capability's words."""

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.printer import PRINTER, Cover, Cutter, Paper, PrinterStatus
from firmware_bridge.codecs.escpos import Condition
from firmware_bridge.errors import DeviceFault


def raise_if_stopped(condition: Condition, told: str) -> None:
    """Raises the DeviceFault of whatever keeps the printer from printing; ``told`` is what that means for the print."""
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


def status_of(condition: Condition) -> PrinterStatus:
    """The capability's status."""
    return PrinterStatus(
        device=_device(condition),
        paper=_paper(condition),
        cover=Cover.OPEN if condition.cover_open else Cover.CLOSED,
        cutter=Cutter.FAULT if condition.cutter_error else Cutter.OK,
    )


def _device(condition: Condition) -> DeviceState:
    if condition.unrecoverable:
        return DeviceState.HARDWARE_ERROR
    return DeviceState.BUSY if condition.head_hot else DeviceState.ONLINE


def _paper(condition: Condition) -> Paper:
    if condition.paper_out:
        return Paper.OUT
    if condition.mechanical_error:  # ESC/POS has no bit for a jam: this one is the carriage or the paper path
        return Paper.JAMMED
    return Paper.LOW if condition.paper_low else Paper.FULL
