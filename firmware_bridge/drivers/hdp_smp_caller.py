"""Callers of the hall device profile over SMP: the driver of the Modbus binding on another unit."""

from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp_model import DeviceClass
from firmware_bridge.drivers._hdp_smp import open_unit
from firmware_bridge.drivers.hdp_caller import Driver
from firmware_bridge.transports import Transport

__all__ = ["Driver", "open_driver"]


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one caller; ``transport`` is open before the first call."""
    return Driver(open_unit(profile, transport, clock, DeviceClass.CALLER))
