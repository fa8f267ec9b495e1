"""Where everything of a demo hall lives: folders, loopback ports, and one configuration file per process."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from device_profiles.catalog import Catalog, load_catalog
from device_profiles.schema.hall import HallMachine, HallProfile
from device_profiles.schema.peripheral import PeripheralProfile

ON_A_PTY = {"serial", "hid", "input", "gpio"}  # attachments whose transport takes a pseudo-terminal for the real thing
CLOUD, BROKER, DEPARTMENTS, HALL = "cloud", "broker", "departments", "hall"


@dataclass(frozen=True)
class Plan:
    """The addresses and files of one demo hall."""

    hall: HallProfile
    folder: Path
    cloud_port: int
    broker_port: int
    departments_port: int
    control_port: int
    screen_ports: dict[str, int]
    seed: int
    speed: float
    dispatch_interval_s: float
    people_paused: bool = False

    @property
    def cloud_url(self) -> str:
        """Base address of the cloud's pages and API."""
        return f"http://127.0.0.1:{self.cloud_port}"

    @property
    def control_url(self) -> str:
        """Base address of the buttons of every simulated peripheral."""
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def departments_url(self) -> str:
        """Base address of the sandbox back offices."""
        return f"http://127.0.0.1:{self.departments_port}"

    def screen_url(self, machine: str) -> str:
        """Base address of a machine's own screen."""
        return f"http://127.0.0.1:{self.screen_ports[machine]}"


def make_plan(
    folder: Path,
    *,
    hall_id: str,
    port: int,
    seed: int,
    speed: float,
    dispatch_interval_s: float,
    people_paused: bool = False,
) -> Plan:
    """Choose free ports (``port`` 0: the cloud's too) for hall ``hall_id``. Raises ProfileError for an unknown hall."""
    catalog = load_catalog()
    hall = catalog.hall(hall_id)
    with_screen = [machine.id for machine in hall.machines if catalog.machine(machine.profile).screen]
    ports = _free_ports(4 + len(with_screen))
    return Plan(
        hall=hall,
        folder=folder,
        cloud_port=port or ports[0],
        broker_port=ports[1],
        departments_port=ports[2],
        control_port=ports[3],
        screen_ports=dict(zip(with_screen, ports[4:], strict=True)),
        seed=seed,
        speed=speed,
        dispatch_interval_s=dispatch_interval_s,
        people_paused=people_paused,
    )


def write_files(plan: Plan, broker_port_of: dict[str, int]) -> None:
    """Write the configuration of every process. ``broker_port_of`` gives machines that reach the broker by a relay."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    catalog = load_catalog()
    _write_toml(
        plan.folder / "cloud.toml",
        {
            "halls": [plan.hall.id],
            "data_dir": str(plan.folder / "cloud"),
            "broker": f"mqtt://127.0.0.1:{plan.broker_port}",
            "port": plan.cloud_port,
            "public_url": plan.cloud_url,
            "departments_url": plan.departments_url,
            "demo": True,  # nobody logs in: it all stays on this machine
            "dispatch_interval_s": plan.dispatch_interval_s,
        },
    )
    (plan.folder / "screens.json").write_text(json.dumps(plan.screen_ports))
    for machine in plan.hall.machines:
        port = broker_port_of.get(machine.id, plan.broker_port)
        _write_toml(plan.folder / f"{machine.id}.toml", _edge_settings(plan, catalog, machine, port))


def _edge_settings(plan: Plan, catalog: Catalog, machine: HallMachine, broker_port: int) -> dict[str, object]:
    slots = catalog.machine(machine.profile).slots
    return {
        "machine": machine.id,
        "profile": machine.profile,
        "broker": f"mqtt://127.0.0.1:{broker_port}",
        "data_dir": str(plan.folder / "edge" / machine.id),
        "screen_port": plan.screen_ports.get(machine.id, 0),
        "outbox_mib": 4,
        "ports": {
            name: _port(plan.folder / "dev" / machine.id / (slot.bus or name), catalog.peripheral(slot.peripheral))
            for name, slot in slots.items()
        },
    }


def _port(link: Path, peripheral: PeripheralProfile) -> str:
    """Where the simulated device is: what has no pseudo-terminal of its own kind stands behind a serial line."""
    return str(link) if peripheral.attachment in ON_A_PTY else f"serial://{link}"


def _write_toml(path: Path, values: dict[str, object]) -> None:
    """JSON strings, numbers and arrays are TOML too; tables come last as TOML demands."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{key}]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    path.write_text("\n".join(lines) + "\n")


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all are held until the last is found, so none comes twice."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
