"""The pair (key and certificate) in use and the one before, in a folder that only the agent's user can read.

ca.crt             what the broker's certificate is checked against
pair-4f0c.../      machine.key, machine.crt, pair.json: never changed once they are there
current            symbolic link to the pair in use; replaced in one step
previous           symbolic link to the pair before, until the broker has taken the new one
"""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from device_profiles.messages.body import Body, UtcTime
from device_profiles.messages.enrolment import Enrolled
from edge_agent.errors import AgentError

CURRENT, PREVIOUS = "current", "previous"
SERIAL_DIGITS = 12


class PairFacts(Body):
    """``pair.json``: what the agent must know of a certificate without reading it."""

    machine: str
    serial: str
    not_before: UtcTime
    not_after: UtcTime


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its certificate."""

    folder: Path
    facts: PairFacts

    @property
    def key_file(self) -> Path:
        """PEM, 0600."""
        return self.folder / "machine.key"

    @property
    def cert_file(self) -> Path:
        """PEM."""
        return self.folder / "machine.crt"

    @property
    def due_at(self) -> datetime:
        """When it is to be renewed: after two thirds of its life."""
        return self.facts.not_before + (self.facts.not_after - self.facts.not_before) * 2 / 3


class IdentityFolder:
    """The folder. Reading raises AgentError that says what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def ca_file(self) -> Path:
        """The fleet's CA."""
        return self.path / "ca.crt"

    def current(self) -> Pair:
        """The pair in use."""
        pair = self._pair(CURRENT)
        if pair is None:
            raise AgentError(f"identity_dir {self.path}: expected a certificate, got none; run hallfleet enrol")
        return pair

    def previous(self) -> Pair | None:
        """The pair before, as long as the new one has not been proved."""
        return self._pair(PREVIOUS)

    def take_in(self, key: bytes, enrolled: Enrolled) -> Pair:
        """Make a new pair the one in use; the old one becomes ``previous``. Whole or not at all."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path / f"pair-{enrolled.serial[-SERIAL_DIGITS:]}"
        if not new.exists():
            self._write_pair(new, key, enrolled)
        old = self._pair(CURRENT)
        if old is not None and old.folder != new:
            self._link(PREVIOUS, old.folder.name)
        _write(self.ca_file, enrolled.ca.encode(), 0o644)
        self._link(CURRENT, new.name)
        self._tidy()
        return self.current()

    def prove(self) -> None:
        """The broker has taken the pair in use: forget the one before."""
        self._unlink(PREVIOUS)
        self._tidy()

    def fall_back(self) -> None:
        """The broker takes the pair before and not the new one: use that again."""
        old = self._pair(PREVIOUS)
        if old is not None:
            self._link(CURRENT, old.folder.name)
            self.prove()

    def _write_pair(self, new: Path, key: bytes, enrolled: Enrolled) -> None:
        coming = new.with_name(f"coming-{new.name}")
        shutil.rmtree(coming, ignore_errors=True)
        coming.mkdir(mode=0o700)
        facts = PairFacts(
            machine=enrolled.machine,
            serial=enrolled.serial,
            not_before=enrolled.not_before,
            not_after=enrolled.not_after,
        )
        _write(coming / "machine.key", key, 0o600)
        _write(coming / "machine.crt", enrolled.certificate.encode(), 0o644)
        _write(coming / "pair.json", facts.to_bytes(), 0o644)
        coming.rename(new)
        _sync(self.path)

    def _pair(self, name: str) -> Pair | None:
        try:
            folder = self.path / os.readlink(self.path / name)
            facts = PairFacts.model_validate(json.loads((folder / "pair.json").read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            raise AgentError(f"{self.path / name}: expected a key and certificate: {error}; enrol anew") from None
        return Pair(folder, facts)

    def _link(self, name: str, target: str) -> None:
        new = self.path / f".{name}"
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(self.path / name)
        _sync(self.path)

    def _unlink(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        _sync(self.path)

    def _tidy(self) -> None:
        """Keys that nobody uses any more go."""
        used = {os.readlink(link) for link in (self.path / CURRENT, self.path / PREVIOUS) if link.is_symlink()}
        for folder in self.path.iterdir():
            if folder.is_dir() and not folder.is_symlink() and "pair-" in folder.name and folder.name not in used:
                shutil.rmtree(folder)


def _write(file: Path, data: bytes, mode: int) -> None:
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as written:
        written.write(data)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
