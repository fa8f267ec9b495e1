"""What a peripheral can do, in XFS4IoT's terms: one file per capability.

``CAPABILITIES`` maps the name used in profiles, topics and fact types to its definition.
"""

from device_profiles.capabilities.agent import AGENT
from device_profiles.capabilities.auxiliaries import AUXILIARIES
from device_profiles.capabilities.barcode_reader import BARCODE_READER
from device_profiles.capabilities.caller import CALLER
from device_profiles.capabilities.camera import CAMERA
from device_profiles.capabilities.card_dispenser import CARD_DISPENSER
from device_profiles.capabilities.card_printer import CARD_PRINTER
from device_profiles.capabilities.card_reader import CARD_READER
from device_profiles.capabilities.evaluator import EVALUATOR
from device_profiles.capabilities.fingerprint import FINGERPRINT
from device_profiles.capabilities.id_reader import ID_READER
from device_profiles.capabilities.lights import LIGHTS
from device_profiles.capabilities.model import Capability
from device_profiles.capabilities.payment import PAYMENT
from device_profiles.capabilities.power import POWER
from device_profiles.capabilities.printer import PRINTER
from device_profiles.capabilities.screen import SCREEN
from device_profiles.capabilities.signage import SIGNAGE

CAPABILITIES: dict[str, Capability] = {
    capability.name: capability
    for capability in (
        AGENT,
        AUXILIARIES,
        BARCODE_READER,
        CALLER,
        CAMERA,
        CARD_DISPENSER,
        CARD_PRINTER,
        CARD_READER,
        EVALUATOR,
        FINGERPRINT,
        ID_READER,
        LIGHTS,
        PAYMENT,
        POWER,
        PRINTER,
        SCREEN,
        SIGNAGE,
    )
}

__all__ = ["CAPABILITIES", "Capability"]
