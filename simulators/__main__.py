"""``hallfleet simulate``: one peripheral, one machine, a whole hall, or the departments, until Ctrl-C."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from device_profiles.catalog import Catalog, load_catalog
from device_profiles.configuration import port_argument, port_or_zero_argument
from device_profiles.schema.machine import MachineProfile, Slot
from simulators.arguments import at_least_zero, machine_id, positive
from simulators.arrivals import LOAD
from simulators.control import control_app
from simulators.departments import departments_app
from simulators.errors import SimulatorError
from simulators.hall import HallOptions, SimulatedHall
from simulators.machine import SimulatedMachine
from simulators.people import People
from simulators.peripherals.peer import Peer
from simulators.replay import load_replay, peripheral_of
from simulators.script import plan, play
from simulators.serving import serve

Run = Callable[[argparse.Namespace, Catalog, asyncio.Event], Awaitable[None]]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code. Raises ProfileError for an unknown profile."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        asyncio.run(_until_signal(run, options, load_catalog(options.profiles_dir)))
    except (SimulatorError, OSError) as error:
        return _refuse(error)
    except ExceptionGroup as group:
        refusals, others = group.split((SimulatorError, OSError))
        if refusals is None or others is not None:
            raise
        return _refuse(refusals)
    return 0


def _refuse(error: BaseException) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(f"hallfleet simulate: {error}", file=sys.stderr)
    return 1


async def _until_signal(run: Run, options: argparse.Namespace, catalog: Catalog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(options, catalog, stop)


async def _run_peripheral(options: argparse.Namespace, catalog: Catalog, stop: asyncio.Event) -> None:
    catalog.peripheral(options.id)
    bench = MachineProfile(
        id="bench", kind="kiosk", name_zh="工作台", name_en="Bench", slots={"device": Slot(peripheral=options.id)}
    )
    people = People(options.seed)
    links = {"device": Path(options.link)}
    played = {"device": _recording(options)} if options.replay else {}
    machine = SimulatedMachine("bench", bench, catalog, Path(), people, options.speed, links, played)
    port = machine.port("device")
    acts = plan(options.fault, catalog.peripheral(options.id), port.peer.buttons, options.seed)
    async with asyncio.TaskGroup() as group:
        group.create_task(_run_one(machine, people, options.control_port, stop))
        script = group.create_task(play(port, acts, lambda text: print(text, file=sys.stderr, flush=True)))
        await stop.wait()
        script.cancel()


def _recording(options: argparse.Namespace) -> Peer:
    if (recorded := peripheral_of(options.replay)) != options.id:
        raise SimulatorError(f"{options.replay}: expected a recording of {options.id}, it is one of {recorded}")
    return load_replay(options.replay)


async def _run_machine(options: argparse.Namespace, catalog: Catalog, stop: asyncio.Event) -> None:
    people = People(options.seed)
    profile = catalog.machine(options.profile)
    machine = SimulatedMachine(options.name, profile, catalog, Path(options.dir), people, options.speed)
    await _run_one(machine, people, options.control_port, stop)


async def _run_one(machine: SimulatedMachine, people: People, control_port: int, stop: asyncio.Event) -> None:
    machine.plug()
    try:
        for slot, port in machine.ports.items():
            print(f"{slot}: {port.link}", flush=True)
        if control_port:
            await serve(control_app({machine.id: machine}, people), control_port, stop)
        else:
            await stop.wait()
    finally:
        machine.unplug()


async def _run_hall(options: argparse.Namespace, catalog: Catalog, stop: asyncio.Event) -> None:
    screens = Path(options.screens) if options.screens else None
    hall = SimulatedHall(
        catalog,
        HallOptions(
            options.hall,
            Path(options.dir),
            options.control_port,
            options.seed,
            options.speed,
            screens,
            options.paused,
            options.load,
        ),
    )
    ports = sum(len(machine.ports) for machine in hall.machines.values())
    print(f"{hall.profile.id}: {len(hall.machines)} machines, {ports} peripherals under {options.dir}", flush=True)
    await hall.run(stop, asyncio.Event())


async def _run_departments(options: argparse.Namespace, _catalog: Catalog, stop: asyncio.Event) -> None:
    print(f"departments: http://127.0.0.1:{options.port}", flush=True)
    await serve(departments_app(options.data, options.latency_ms / 1000), options.port, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet simulate", description=__doc__)
    parser.add_argument("--profiles-dir", type=Path, help="a site's own profiles beside the packaged ones")
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    peripheral = _devices(
        kinds.add_parser("peripheral", help="one peripheral behind a pseudo-terminal"), _run_peripheral
    )
    peripheral.add_argument("id", help="id of a peripheral profile")
    peripheral.add_argument("--link", required=True, help="path under which it appears")
    peripheral.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:KEY=VALUE]@WHEN[+LASTING]",
        help="what happens to it and when: paper_out@30s, delay:delay_s=2@10s+5s, unplug@10s..60s+3s (repeatable)",
    )
    peripheral.add_argument("--replay", type=Path, metavar="FILE", help="play back what hallfleet edge record wrote")
    machine = _devices(kinds.add_parser("machine", help="the peripherals of one machine"), _run_machine)
    machine.add_argument("profile", help="id of a machine profile")
    machine.add_argument("--dir", required=True, help="peripherals appear as DIR/NAME/SLOT")
    machine.add_argument("--id", dest="name", required=True, type=machine_id, help="id of the machine")
    hall = _devices(kinds.add_parser("hall", help="all machines of a hall, and its people"), _run_hall)
    hall.add_argument("--hall", default="demo-hall", help="id of a hall profile")
    hall.add_argument("--dir", required=True, help="peripherals appear as DIR/MACHINE/SLOT")
    hall.add_argument("--screens", help="JSON file {machine: port of its screen}")
    hall.add_argument("--load", type=positive, default=LOAD, help="arrivals against what the counters can serve")
    hall.add_argument("--paused", action="store_true", help="nobody acts until the control API says so")
    departments = kinds.add_parser("departments", help="sandbox back offices over HTTP")
    departments.set_defaults(run=_run_departments)
    departments.add_argument("--port", type=port_argument, required=True)
    departments.add_argument("--data", default=":memory:", help="file that survives a restart (default: none)")
    departments.add_argument("--latency-ms", type=at_least_zero, default=0.0)
    return parser


def _devices(parser: argparse.ArgumentParser, run: Run) -> argparse.ArgumentParser:
    parser.set_defaults(run=run)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same people")
    parser.add_argument("--speed", type=positive, default=1.0, help="how many times faster than in life")
    parser.add_argument("--control-port", type=port_or_zero_argument, default=0, help="of the control API (0: none)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
