"""What a simulated device, person or hall refuses to do."""


class SimulatorError(Exception):
    """Base of everything the simulators refuse; the text says what was expected and what came."""


class UnknownName(SimulatorError):
    """No machine, slot, button or person of that name."""


class ButtonRefused(SimulatorError):
    """The device is in a state in which that cannot be done, such as taking a card that is not in the gate."""
