"""``hallfleet audit``: check the record of what happened, and write it out."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import sqlalchemy as sa

from cloud.audit.model import Anchor, Head, Verdict
from cloud.audit.service.export import check_export, export
from cloud.audit.service.record import check
from cloud.audit.store import entries
from cloud.audit.store.anchors import FILE_NAME, AnchorFile
from cloud.core.clock import to_ms
from cloud.core.errors import HallfleetError, Invalid
from cloud.settings import read_settings
from cloud.storage import schema
from cloud.storage.engine import create_engine, must_answer, sqlite_file

OK, FAILED = 0, 1


def main(argv: list[str]) -> int:
    """Run one verb; 0 when all is well, 1 with a message when not, or when the record was changed."""
    options = _parser().parse_args(argv)
    try:
        result: int = options.run(options)
    except HallfleetError as error:
        print(f"hallfleet audit: {error}", file=sys.stderr)
        return FAILED
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet audit", description="the record of what happened")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--config", type=Path, help="the cloud's TOML file; HALLFLEET_CLOUD_* variables win over it")
    where.add_argument("--database", metavar="URL", help="another database than that of the settings")

    verify = verbs.add_parser("verify", parents=[where], help="find out whether, and where, anything was changed")
    verify.add_argument("--file", type=Path, help="check an export instead of a database")
    verify.add_argument("--anchors", type=Path, help="a copy of the anchors; default: those in data_dir")
    verify.set_defaults(run=_verify)

    written = verbs.add_parser("export", parents=[where], help="write it as JSON lines with a tail that proves them")
    written.add_argument("--from", dest="first", type=_day, help="first day, YYYY-MM-DD (UTC)")
    written.add_argument("--to", dest="last", type=_day, help="last day, YYYY-MM-DD (UTC)")
    written.set_defaults(run=_export)

    head = verbs.add_parser("head", parents=[where], help="where the chain ends now, to be kept elsewhere")
    head.set_defaults(run=_head)
    return parser


def _verify(options: argparse.Namespace) -> int:
    if options.file is not None:
        return _tell(_check_file(options.file, _anchors(options.anchors) if options.anchors else []))
    anchors = _anchors(
        options.anchors or read_settings(options.config).data_dir / FILE_NAME, options.anchors is not None
    )
    with _connected(options) as connection:
        return _tell(check(connection, anchors))


def _check_file(file: Path, anchors: list[Anchor]) -> Verdict:
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            return check_export(lines, anchors)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: expected an export that can be read, got {type(error).__name__}") from None


def _tell(verdict: Verdict) -> int:
    span = f"entries {verdict.first} to {verdict.last}" if verdict.entries else "no entry"
    print(f"{span}, {verdict.anchors} anchors, head {verdict.last} {verdict.hash}")
    for problem in verdict.problems:
        place = str(problem.sequence) + (f" to {problem.until}" if problem.until > problem.sequence else "")
        print(f"{problem.kind} at {place}: {problem.what}")
    print("intact" if verdict.intact else f"NOT INTACT, first at {verdict.first_bad}")
    return OK if verdict.intact else FAILED


def _export(options: argparse.Namespace) -> int:
    from_ms = None if options.first is None else _midnight_ms(options.first)
    to = None if options.last is None else _midnight_ms(options.last + timedelta(days=1))
    with _connected(options) as connection:
        for line in export(connection, from_ms, to):
            sys.stdout.write(line)
    return OK


def _head(options: argparse.Namespace) -> int:
    with _connected(options) as connection:
        head: Head = entries.read_head(connection)
    print(f"{head.sequence} {head.hash}")
    return OK


@contextmanager
def _connected(options: argparse.Namespace) -> Iterator[sa.Connection]:
    url = options.database or read_settings(options.config).database
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise Invalid(f"{file}: expected the cloud's database, got no file; is data_dir right?")
    engine = create_engine(url, read_only=True, readers=1)
    try:
        with must_answer():
            schema.check(engine)
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _anchors(file: Path, must_exist: bool = True) -> list[Anchor]:
    if must_exist and not file.is_file():
        raise Invalid(f"{file}: expected a file of anchors, got none")
    return AnchorFile(file).read()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, got {text!r}") from None


def _midnight_ms(day: date) -> int:
    return to_ms(datetime.combine(day, time(), UTC))
