"""From a profile to a driver and to the transport under it: names are module names, so there is no list to edit."""

import importlib
import pkgutil
from collections.abc import Callable

from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge import drivers, transports
from firmware_bridge.clock import Clock, SystemClock
from firmware_bridge.drivers import Driver
from firmware_bridge.transports import Transport

OpenDriver = Callable[[PeripheralProfile, Transport, Clock], Driver]

OpenTransport = Callable[[PeripheralProfile, str], Transport]

_SYSTEM_CLOCK = SystemClock()
_NOT_BY_NAME = {"memory", "recording", "shared"}  # transports without an address


def load_driver(profile: PeripheralProfile, transport: Transport, clock: Clock = _SYSTEM_CLOCK) -> Driver:
    """The driver that ``profile`` names, on ``transport`` (open it before the first call).

    Raises ProfileError when there is no such driver or the profile's options are not the driver's.
    """
    check_driver(profile)
    module = importlib.import_module(f"{drivers.__name__}.{profile.driver}")
    open_driver: OpenDriver = module.open_driver
    driver = open_driver(profile, transport, clock)
    if driver.capability != profile.capability:
        raise ProfileError(
            f"{profile.id}.toml: capability: driver {profile.driver!r} is a {driver.capability}, "
            f"the profile says {profile.capability}"
        )
    return driver


def transport_for(profile: PeripheralProfile, port: str) -> Transport:
    """The transport to ``port``, not open yet.

    ``port`` is ``scheme://address`` (``tcp://10.0.0.7:4001``), or a path that the profile's ``attachment`` opens.
    Raises ProfileError when there is no such transport.
    """
    scheme, separator, address = port.partition("://")
    name = scheme if separator else profile.attachment
    modules = (m.name for m in pkgutil.iter_modules(transports.__path__))
    known = sorted(module for module in modules if module not in _NOT_BY_NAME and not module.startswith("_"))
    if name not in known:
        raise ProfileError(f"port {port!r}: expected a path or {'://, '.join(known)}://, got {name!r}")
    module = importlib.import_module(f"{transports.__name__}.{name}")
    open_transport: OpenTransport = module.open_transport
    return open_transport(profile, address if separator else port)


def check_driver(profile: PeripheralProfile) -> None:
    """Raises ProfileError when the driver that ``profile`` names is none of ours. Loads no driver."""
    names = driver_names()
    if profile.driver not in names:
        raise ProfileError(f"{profile.id}.toml: driver: expected one of {', '.join(names)}, got {profile.driver!r}")


def driver_names() -> list[str]:
    """Every driver there is."""
    return sorted(m.name for m in pkgutil.iter_modules(drivers.__path__) if not m.name.startswith("_"))
