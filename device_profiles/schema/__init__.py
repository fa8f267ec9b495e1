"""Pydantic models of the profile files: peripheral, machine, hall. Unknown keys are errors."""
