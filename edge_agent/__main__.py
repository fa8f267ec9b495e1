"""``hallfleet edge run | check | outbox | record | update``."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from device_profiles.errors import ConfigurationError, ProfileError, nearest
from edge_agent import settings as edge_settings
from edge_agent.addresses import UsbAddress
from edge_agent.errors import AgentError
from edge_agent.plan import MachinePlan, plan_machine
from edge_agent.settings import EdgeSettings
from edge_agent.timing import SystemClock


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0 when all is well, 2 when the settings are wrong, 1 for the rest."""
    options = _parser().parse_args(arguments)
    try:
        settings = edge_settings.load(options.config, os.environ)
        return int(options.verb(settings, options))
    except (ConfigurationError, ProfileError) as error:
        print(f"hallfleet edge: {error}", file=sys.stderr)
        return 2
    except (AgentError, sqlite3.Error) as error:
        print(f"hallfleet edge: {error}", file=sys.stderr)
        return 1


def run(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    from edge_agent.app import RestartAsked  # here: `check` need not load MQTT and the drivers

    try:
        asyncio.run(_run_until_signal(settings))
    except RestartAsked:
        # In place, with everything closed: whoever supervises us sees the same process.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def check(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Look at settings, profile and devices without starting anything: what each slot finds, how, and why not."""
    plan = plan_machine(settings)
    slots, others = _slots_now(plan)
    unmounted = [name for name in plan.profile.slots if name not in plan.slots]
    if options.json:
        found = {
            "machine": settings.machine,
            "profile": plan.profile.id,
            "slots": slots,
            "unmounted": unmounted,
            "no_slot": others,
        }
        print(json.dumps(found, ensure_ascii=False))
        return 0
    print(f"{settings.machine}: {plan.profile.id}, broker {settings.broker}")
    for name, slot in slots.items():
        outcome = f"-> {slot['device']} ({slot['how']})" if slot["present"] else f"({slot['problem']})"
        print(f"  {name:16} {slot['peripheral']:24} {slot['port']}  {outcome}")
        if slot["present"] and slot["problem"]:
            print(f"  {'':16} {slot['problem']}")
    for name in unmounted:
        print(f"  {name:16} not mounted")
    for device in others:
        print(f"  {'(no slot)':16} {device}")
    return 0


def _slots_now(plan: MachinePlan) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What every slot finds, and what is plugged in for no slot."""
    from edge_agent.devices.choice import choose_source  # here: the other verbs look for no devices
    from edge_agent.devices.matching import wants_of
    from edge_agent.devices.places import all_subsystems
    from edge_agent.devices.report import devices_of_no_slot, report_slots

    wants, clock = wants_of(plan), SystemClock()
    source = choose_source(all_subsystems(wants), clock)
    reports = report_slots(wants, source, clock)
    slots = {
        name: {"peripheral": slot.profile.id, "port": str(slot.port), **asdict(reports[name])}
        for name, slot in plan.slots.items()
    }
    return slots, [str(device) for device in devices_of_no_slot(reports, source)]


def outbox(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Show what waits for the cloud, also while the agent runs."""
    from edge_agent.assembly import OUTBOX_FILE
    from edge_agent.outbox.sqlite import read_depth

    path = settings.data_dir / OUTBOX_FILE
    if not path.exists():
        raise AgentError(f"{path}: no outbox yet; the agent makes it at its first start")
    depth = read_depth(path)
    if options.json:
        print(json.dumps(asdict(depth), default=str))
        return 0
    print(f"epoch {depth.epoch}, last sequence {depth.last_sequence}, oldest {depth.oldest_at or '-'}")
    print(f"business {depth.business} rows ({depth.fill:.1%} of the room), telemetry {depth.telemetry} rows")
    print(f"telemetry given up in this epoch: {depth.dropped} rows")
    return 0


def update(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Update the firmware of the device in a slot, while the agent is stopped."""
    from edge_agent.app import update_firmware  # here: only an update loads cryptography and smpclient
    from edge_agent.updates.files import read_release
    from firmware_bridge.errors import BridgeError

    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    release = read_release(options.image, options.manifest, options.approval)
    try:
        record = asyncio.run(update_firmware(settings, options.slot, release, _show_progress))
    except BridgeError as error:
        raise AgentError(f"slot {options.slot}: {error}") from error
    done = record.state == "done"
    versions = f"{record.from_version or 'unknown'} -> {record.to_version or 'unknown'}"
    print(f"{options.slot}: {record.state}, {versions}{f': {record.note}' if record.note else ''}")
    return 0 if done else 1


def record(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Record a session with one peripheral: the bytes of its line, what is personal masked."""
    from edge_agent.slots import record as recorder  # here: only a recording needs it
    from firmware_bridge.registry import transport_for

    slots = plan_machine(settings).slots
    if options.slot not in slots:
        raise ConfigurationError(f"--slot {options.slot}: {nearest(options.slot, slots)}")
    slot = slots[options.slot]
    if isinstance(slot.port, UsbAddress):
        raise ConfigurationError(f"ports.{options.slot}: expected a path or a URL to record at, got {slot.port}")
    line = transport_for(slot.profile, str(slot.port))
    calls = recorder.calls_of(slot.profile, options.run)
    lines = asyncio.run(recorder.record(slot.profile, line, calls, SystemClock(), unmasked=options.unmasked))
    recorder.save(lines, options.out)
    print(f"{options.out}: {len(lines)} lines of {slot.profile.id}{' in the clear' if options.unmasked else ''}")
    return 0


def _show_progress(sent: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{sent * 100 // total:3d} % of {total} bytes", end="", file=sys.stderr, flush=True)


async def _run_until_signal(settings: EdgeSettings) -> None:
    from edge_agent.app import run_agent  # here: `check` need not load MQTT and the drivers

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await run_agent(settings, stop)
    except ExceptionGroup as group:
        refusals, others = group.split(AgentError)
        if refusals is None or others is not None:
            raise
        raise _first(refusals) from group


def _first(group: BaseExceptionGroup[AgentError]) -> AgentError:
    found: AgentError | BaseExceptionGroup[AgentError] = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet edge", description="One machine of a hall.")
    verbs = parser.add_subparsers(required=True, metavar="run|check|outbox|record|update")
    for verb in (run, check, outbox, record, update):
        sub = verbs.add_parser(verb.__name__, help=verb.__doc__, description=verb.__doc__)
        sub.add_argument("--config", type=Path, help="TOML file; HALLFLEET_EDGE_* variables win over it")
        sub.add_argument("--json", action="store_true", help="machine-readable output (check, outbox)")
        sub.set_defaults(verb=verb)
    tape = verbs.choices["record"]
    tape.add_argument("--slot", required=True, help="slot to record; the agent must not run")
    tape.add_argument("--out", type=Path, required=True, help="new file for the recording")
    tape.add_argument("--run", action="append", default=[], metavar="COMMAND", help="and its arguments as JSON")
    tape.add_argument("--unmasked", action="store_true", help="keep all bytes: only for test cards")
    sub.add_argument("--slot", required=True, help="slot whose device is updated")
    sub.add_argument("--image", type=Path, required=True, help="firmware image")
    sub.add_argument("--manifest", type=Path, help="its signed manifest, when the image cannot speak for itself")
    sub.add_argument("--approval", type=Path, help="a second person's approval of a downgrade")
    return parser


if __name__ == "__main__":
    sys.exit(main())
