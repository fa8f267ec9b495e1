"""The files for a real machine: readable for udev and systemd, and complete for the catalogue."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog

KEYS = (
    "ACTION|SUBSYSTEM|SUBSYSTEMS|KERNEL|KERNELS|DRIVER|DRIVERS|TEST|PROGRAM|RESULT|NAME|SYMLINK|OWNER|GROUP|MODE|TAG|RUN|"
    r"LABEL|GOTO|OPTIONS|ATTR\{[^}]+\}|ATTRS\{[^}]+\}|ENV\{[^}]+\}|IMPORT\{(?:program|builtin|file|db|cmdline|parent)\}"
)
TOKEN = re.compile(rf'(?P<key>{KEYS})(?P<operator>==|!=|\+=|-=|:=|=)"(?P<value>[^"]*)"')
ONLY_MATCHED = ("ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "KERNELS", "DRIVER", "DRIVERS", "TEST", "ATTRS")
RULES = ("60-hallfleet.rules", "99-hallfleet-brltty.rules")
UNITS = ("hallfleet-agent.service", "hallfleet-cloud.service")


def rules_of(text: str) -> list[list[tuple[str, str, str]]]:
    """Every rule as its (key, operator, value); raises ValueError for what udev would skip with a warning."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        rule = []
        for part in re.split(r",\s*(?=[A-Z])", line.strip()):
            token = TOKEN.fullmatch(part)
            if token is None:
                raise ValueError(f'line {number}: expected KEY=="value", got {part!r}')
            rule.append((token["key"], token["operator"], token["value"]))
        found.append(rule)
    return found


@pytest.mark.parametrize("name", RULES)
def test_udev_can_read_the_rules(repo_root: Path, name: str) -> None:
    rules = rules_of((repo_root / "deploy" / "udev" / name).read_text())
    for rule in rules:
        for key, operator, _ in rule:
            if key.partition("{")[0] in ONLY_MATCHED:
                assert operator in ("==", "!="), f"{key} can only be compared"
        actions = [key for key, operator, _ in rule if operator not in ("==", "!=")]
        assert actions, f"a rule that does nothing: {rule}"
    labels = {value for rule in rules for key, _, value in rule if key == "LABEL"}
    assert {value for rule in rules for key, _, value in rule if key == "GOTO"} == labels


@pytest.mark.parametrize("line", ['SUBSYSTEM="tty GROUP="x"', "GROUP=x", 'GRUOP="x"', 'SUBSYSTEM=="tty" GROUP="x"'])
def test_a_rule_that_udev_cannot_read_is_noticed(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        rules_of(line)


def test_every_device_that_is_spoken_to_over_usb_has_its_rights(repo_root: Path) -> None:
    rules = rules_of((repo_root / "deploy" / "udev" / RULES[0]).read_text())
    given = set()
    for rule in rules:
        values = {key: value for key, _, value in rule}
        if "GROUP" in values and "ATTR{idVendor}" in values:
            given.add(f"{values['ATTR{idVendor}']}:{values['ATTR{idProduct}']}")
    profiles = load_catalog().peripherals.values()
    wanted = {usb for profile in profiles if profile.attachment == "usb" for usb in profile.match.usb}
    assert wanted == given


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardened(repo_root: Path, name: str) -> None:
    text = (repo_root / "deploy" / "systemd" / name).read_text()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "Restart=always"):
        assert f"\n{line}\n" in text
    assert re.search(r"^User=hallfleet", text, re.MULTILINE)
    assert "\nWatchdogSec" not in text, "nobody feeds it"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_can_read_a_unit(repo_root: Path, tmp_path: Path, name: str) -> None:
    text = (repo_root / "deploy" / "systemd" / name).read_text()
    copy = tmp_path / name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name not in done.stderr, done.stderr


def test_every_file_is_in_the_readme(repo_root: Path) -> None:
    folder = repo_root / "deploy"
    text = (folder / "README.md").read_text()
    for file in folder.glob("*/*"):
        assert f"`{file.relative_to(folder)}`" in text
