"""``hallfleet demo``: a hall that runs until Ctrl-C; with ``--check`` the story, checked from outside."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from device_profiles.configuration import make_folder, port_or_zero_argument
from device_profiles.errors import ConfigurationError
from simulators.arguments import positive
from simulators.demo.plan import Plan, make_plan
from simulators.demo.processes import ProcessEnded
from simulators.demo.run import NotReady, RunningHall, new_run
from simulators.demo.story.report import Step, as_json, print_step, print_summary
from simulators.demo.story.tell import tell
from simulators.errors import SimulatorError
from simulators.serving import listen

CHECK_SPEED = 20.0
CUT_MACHINE = "ticket-2"


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    folder = Path(options.data) if options.data else Path(tempfile.mkdtemp(prefix="hallfleet-"))
    try:
        plan = make_plan(
            folder.resolve(),
            hall_id=options.scenario,
            port=options.port,
            seed=options.seed,
            speed=CHECK_SPEED if options.check else options.speed,
            dispatch_interval_s=1.0 if options.check else 10.0,
            people_paused=options.check,
        )
        return asyncio.run(_tell_story(plan, options.json) if options.check else _demo(plan))
    except (NotReady, ProcessEnded) as error:
        print(f"hallfleet demo: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.data:
            shutil.rmtree(folder, ignore_errors=True)


def _check(options: argparse.Namespace) -> None:
    """Before anything starts: a child would tell it ten seconds later, and a missing folder at the end of the story."""
    try:
        listen(options.port).close()
    except SimulatorError as error:
        raise ConfigurationError(f"--{error}") from error
    if options.data:
        make_folder("--data", Path(options.data))
    if options.json:
        make_folder("--json", Path(options.json).parent)
        if Path(options.json).is_dir():
            raise ConfigurationError(f"--json: expected a file, got the folder {options.json!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet demo", description=__doc__)
    parser.add_argument("--scenario", default="demo-hall", help="id of a hall profile")
    parser.add_argument("--seed", type=int, default=1, help="the day of citizens is the same for the same seed")
    parser.add_argument("--speed", type=positive, default=20.0, help="how many times faster than real people live")
    parser.add_argument(
        "--port", type=port_or_zero_argument, default=8080, help="of the cloud's pages (0: any free one)"
    )
    parser.add_argument("--data", help="keep everything in this folder (default: a temporary one, removed at the end)")
    parser.add_argument("--check", action="store_true", help="play the story at speed and check it from outside")
    parser.add_argument("--json", help="with --check: write the report to this file")
    return parser


async def _demo(plan: Plan) -> int:
    hall = new_run(plan)
    stop = _stop_signal()
    try:
        print(
            f"Starting {plan.hall.name_en}: {len(plan.hall.machines)} machines, data in {plan.folder}",
            flush=True,
        )
        ready_s = await hall.start()
        print(_addresses(plan, ready_s), flush=True)
        while not stop.is_set():
            hall.supervisor.check_alive()
            await _wait(stop, 1.0)
        print("\nStopping...", flush=True)
        return 0
    finally:
        await hall.stop()


async def _tell_story(plan: Plan, json_file: str | None) -> int:
    hall: RunningHall = new_run(plan)
    try:
        steps = []
        async for step in tell(hall, cut_machine=CUT_MACHINE):
            print_step(step)
            steps.append(step)
    finally:
        await hall.stop()
    print_summary(steps)
    if json_file:
        _write_report(Path(json_file), steps)
    return 0 if steps and all(step.ok for step in steps) else 1


def _write_report(target: Path, steps: list[Step]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(as_json(steps), ensure_ascii=False, indent=1) + "\n")


def _addresses(plan: Plan, ready_s: float) -> str:
    lines = [
        f"Ready in {ready_s:.1f} s.",
        f"  hall manager   {plan.cloud_url}/halls/{plan.hall.id}",
        f"  crew           {plan.cloud_url}/crew",
        f"  API            {plan.cloud_url}/docs",
        f"  buttons of the simulated peripherals   {plan.control_url}/machines",
        *(f"  screen of {machine:<11}{plan.screen_url(machine)}/" for machine in plan.screen_ports),
        f"  MQTT broker    mqtt://127.0.0.1:{plan.broker_port}   logs {plan.folder / 'logs'}",
        "Ctrl-C ends everything.",
    ]
    return "\n".join(lines)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
