"""Pydantic models of the profile files: a peripheral model, a machine kind, a hall. Unknown keys are errors."""
