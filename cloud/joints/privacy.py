"""What all features together keep of people: how long each class may be kept, and how one person's part ends.

A person leaves traces in most features; each says in its own store how its part ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.audit.service import RetentionService
from cloud.audit.service.ports import DataClass
from cloud.commands import store as commands
from cloud.core.keys import Keys
from cloud.flows.store import privacy as flows
from cloud.ingest import privacy as ingest
from cloud.queues.store import privacy as queues
from cloud.settings import CloudSettings
from cloud.storage.retention import Rule
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from device_profiles.errors import MessageError

CASES, SEALED, SUBJECTS, QUARANTINE = "cases", "sealed", "subjects", "quarantine"


def data_classes(settings: CloudSettings) -> tuple[DataClass, ...]:
    """The classes that end by age. Facts, settled commands and telemetry end by their own settings."""
    return (
        DataClass(SEALED, settings.keep_sealed_days, lambda tx, ms, limit: flows.end_secrets(tx.conn, ms, limit)),
        DataClass(CASES, settings.keep_cases_days, lambda tx, ms, limit: flows.end_cases(tx.conn, ms, limit)),
        DataClass(SUBJECTS, settings.keep_subjects_days, lambda tx, ms, limit: queues.end_subjects(tx.conn, ms, limit)),
        DataClass(
            QUARANTINE, settings.keep_quarantine_days, lambda tx, ms, limit: ingest.end_quarantine(tx.conn, ms, limit)
        ),
    )


def rules_of(retention: RetentionService, db: Database) -> list[Rule]:
    """The classes that end by age, as the daily round takes them."""

    def rule(kept: DataClass) -> Rule:
        return Rule(kept.name, kept.days, lambda ms: db.write(lambda tx: retention.end_old(tx, ms, kept)))

    return [rule(kept) for kept in retention.classes]


@dataclass(frozen=True, slots=True)
class Traces:
    """What is kept of one person. A person is found by the token of the document that a machine read, and by the cases
    in which it read it.
    """

    def running(self, tx: Tx, subject: str) -> Sequence[str]:
        """The cases of this person that have not ended."""
        return flows.running(tx.conn, commands.flows_of_person(tx.conn, subject))

    def erase(self, tx: Tx, subject: str) -> dict[str, int]:
        """Remove or blind everything that belongs to the person. Reads the tables of commands and facts whole."""
        theirs = sorted(commands.flows_of_person(tx.conn, subject))
        ids = commands.erase_person(tx.conn, subject, theirs)
        return {
            CASES: flows.remove(tx.conn, theirs),
            SUBJECTS: queues.erase(tx.conn, subject),
            "commands": len(ids),
            "facts": ingest.erase_from_events(tx.conn, [subject, *ids]),
            QUARANTINE: ingest.erase_from_quarantine(tx.conn, [subject, *ids]),
        }


def reseal(keys: Keys, tx: Tx, limit: int) -> int:
    """Seal a portion of what is sealed to an old key to the current one; what no key opens stays as it is."""

    def anew(sealed: str) -> str | None:
        try:
            return keys.reseal(sealed)
        except MessageError:
            return None

    return flows.reseal(tx.conn, anew, limit)
