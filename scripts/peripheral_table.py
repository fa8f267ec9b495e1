"""The table of peripherals: every profile of the catalogue, what speaks to it, and how far that is proved."""

from pathlib import Path

from device_profiles.catalog import load_catalog
from device_profiles.schema.peripheral import PeripheralProfile

PAGES = Path(__file__).resolve().parent.parent / "docs" / "peripherals"
_HEAD = """# Peripherals

Generated from `device_profiles/peripherals` by `python -m scripts.generate_docs`; do not edit.
`datasheet`: written from its manual. `hardware`: tried on the device. `simulated`: only a simulator exists.
Faults are those that the simulated device can have by button and the conformance suite tries on every run.

| profile | capability | driver | attachment | line | proved | faults tried |
|---|---|---|---|---|---|---|
"""


def peripheral_table() -> str:
    """Markdown, one line per profile, in the order of their ids."""
    profiles = load_catalog().peripherals
    return _HEAD + "".join(_row(profiles[profile_id]) for profile_id in sorted(profiles))


def page_of(driver: str) -> str:
    """The name of the driver's page in docs/peripherals: the driver's, or its family's. Raises LookupError."""
    parts = driver.split("_")
    for name in ("_".join(parts[:count]) for count in range(len(parts), 0, -1)):
        if (PAGES / f"{name}.md").is_file():
            return f"{name}.md"
    raise LookupError(f"driver {driver}: expected a page docs/peripherals/{driver}.md, or one of its family")


def _row(profile: PeripheralProfile) -> str:
    line = profile.line
    serial = f"{line.baud} {line.data_bits}{line.parity[0].upper()}{line.stop_bits}"
    faults = ", ".join(f"`{fault.press}`" for fault in profile.faults) or "-"
    cells = (
        f"`{profile.id}`",
        profile.capability,
        f"[{profile.driver}]({page_of(profile.driver)})",
        profile.attachment,
        serial if profile.attachment == "serial" else "-",
        profile.support,
        faults,
    )
    return "| " + " | ".join(cells) + " |\n"
