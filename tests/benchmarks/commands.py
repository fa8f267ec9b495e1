"""The round trip of a command: cloud -> broker -> agent -> simulated device -> agent -> broker -> cloud, 100 machines.

One machine is a whole: a real agent process on simulated devices behind pseudo-terminals. The other 99 are uplinks
only (a hundred agents of 50 MiB are no load for one machine): connected, subscribed, announced, each reporting a change
every few seconds, as agents do. The time is the cloud's own: from ``created_at``, when the command is written, to
``settled_at``, when the outcome is. Goal: p99 under 100 ms.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from device_profiles.catalog import load_catalog
from device_profiles.messages.presence import Presence
from device_profiles.messages.topics import Topic, Up, machine_filter
from device_profiles.messages.twin import Twin
from tests.benchmarks.processes import python, wait_until
from tests.servers import mosquitto
from tests.servers.process import free_port

HALL, PROFILE, MACHINES, COMMANDS = "bench-hall", "counter-set", 100, 300
REPORT_EVERY_S = 5.0
PASSWORD = "nine lamps over a quiet river"
SHOW = {"slot": "display", "name": "show", "args": {"ticket": "A012", "counter": 1, "text": "请"}}


def measure() -> dict[str, object]:
    """Round trips in milliseconds, one after the other, and the part that HTTP takes."""
    with tempfile.TemporaryDirectory() as name, mosquitto.serve() as broker:
        folder = Path(name)
        settings, port = _settings(folder, broker.port)
        _once("cloud", "migrate", "--config", str(settings))
        token = _token(settings)
        with (
            python("hallfleet", "cloud", "serve", "--config", str(settings), log=folder / "cloud.log"),
            _machine(folder, broker.port),
            _Uplinks(broker.port),
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
            ) as cloud,
        ):
            wait_until(lambda: _online(cloud) >= MACHINES, f"{MACHINES} machines online, see {folder / 'cloud.log'}")
            _round_trip(cloud, 0)
            trips = [_round_trip(cloud, 1 + number) for number in range(COMMANDS)]
    return {"machines connected": MACHINES, "of them real agents": 1, "commands": COMMANDS} | {
        "round trip, ms": _spread([settled for settled, _ in trips]),
        "HTTP answer to POST, ms": _spread([posted for _, posted in trips]),
    }


def _round_trip(cloud: httpx.Client, number: int) -> tuple[float, float]:
    began = time.perf_counter()
    answer = cloud.post(f"/machines/{_id(0)}/commands", json=SHOW, headers={"Idempotency-Key": f"bench-{number}"})
    posted = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    command: dict[str, Any] = answer.json()
    while command["settled_at"] is None:
        time.sleep(0.02)
        command = cloud.get(f"/commands/{command['id']}").raise_for_status().json()
    if command["state"] != "succeeded":
        raise RuntimeError(f"expected every command to succeed, got {command['state']}: {command['error']}")
    took = datetime.fromisoformat(command["settled_at"]) - datetime.fromisoformat(command["created_at"])
    return took.total_seconds() * 1000, posted


def _spread(values: list[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100)
    return {
        "p50": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "max": round(max(values), 1),
    }


def _online(cloud: httpx.Client) -> int:
    try:
        halls = cloud.get("/halls").raise_for_status().json()["items"]
    except httpx.HTTPError:
        return 0
    return int(halls[0]["online"])


def _settings(folder: Path, broker_port: int) -> tuple[Path, int]:
    hall = folder / "profiles" / "halls" / f"{HALL}.toml"
    hall.parent.mkdir(parents=True)
    machines = "".join(
        f'[[machines]]\nid = "{_id(number)}"\nprofile = "{PROFILE}"\n'
        f"x = {number % 10 + 1}.0\ny = {number // 10 + 1}.0\n"
        for number in range(MACHINES)
    )
    hall.write_text(
        'name_zh = "测量厅"\nname_en = "Bench hall"\ntimezone = "Asia/Shanghai"\nwidth_m = 20.0\ndepth_m = 20.0\n'
        f"services = []\nclerks = []\ncounters = []\n{machines}"
    )
    port, settings = free_port(), folder / "cloud.toml"
    settings.write_text(
        f'data_dir = "{folder / "cloud"}"\nbroker = "mqtt://127.0.0.1:{broker_port}"\nport = {port}\n'
        f'public_url = "http://127.0.0.1:{port}"\nhalls = ["{HALL}"]\nprofiles_dir = "{folder / "profiles"}"\n'
    )
    return settings, port


def _token(settings: Path) -> str:
    place = ("--config", str(settings), "--all-halls")
    _once("user", "add", "bench", "--role", "administrator", *place, answer=PASSWORD)
    scopes = ("--scope", "machines.see", "--scope", "machines.command", "--scope", "hall.see")
    return _once("user", "token", "bench", "--label", "bench", *scopes, *place)


def _once(*arguments: str, answer: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hallfleet", *arguments],
        input=answer + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"hallfleet {' '.join(arguments[:2])}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


@contextmanager
def _machine(folder: Path, broker_port: int) -> Iterator[None]:
    """The real one."""
    slots = list(load_catalog().machine(PROFILE).slots)
    simulate = ("simulate", "machine", PROFILE, "--id", _id(0), "--dir", str(folder / "dev"))
    with python("hallfleet", *simulate, log=folder / "sim.log"):
        links = {slot: folder / "dev" / _id(0) / slot for slot in slots}
        wait_until(lambda: all(link.exists() for link in links.values()), "the simulated devices are there")
        ports = "\n".join(f'{slot} = "{link}"' for slot, link in links.items())
        settings = folder / "edge.toml"
        settings.write_text(
            f'machine = "{_id(0)}"\nprofile = "{PROFILE}"\nbroker = "mqtt://127.0.0.1:{broker_port}"\n'
            f'data_dir = "{folder / "edge"}"\n\n[ports]\n{ports}\n'
        )
        with python("hallfleet", "edge", "run", "--config", str(settings), log=folder / "edge.log"):
            yield


class _Uplinks:
    """Context: the other machines, as far as a broker and a cloud can tell."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._clients: list[mqtt.Client] = []
        self._reports = threading.Thread(target=self._report, name="reports")

    def __enter__(self) -> None:
        for number in range(1, MACHINES):
            client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=_id(number), protocol=mqtt.MQTTv5)
            client.connect("127.0.0.1", self._port, keepalive=60)
            client.loop_start()
            client.subscribe(machine_filter(_id(number)), qos=1)
            presence = Presence.model_validate(
                {"state": "online", "epoch": 1, "agent_version": "bench", "since": datetime.now(UTC)}
            )
            client.publish(str(Topic(_id(number), Up.PRESENCE)), presence.to_bytes(), qos=1, retain=True)
            self._clients.append(client)
        self._reports.start()

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._reports.join()
        for client in self._clients:
            client.disconnect()
            client.loop_stop()

    def _report(self) -> None:
        version = 0
        while not self._stop.is_set():
            version += 1
            for number, client in enumerate(self._clients, 1):
                values = {"display": {"device": "online"}, "agent": {"version": "bench", "reports": version}}
                twin = Twin(version=version, values=values)
                client.publish(str(Topic(_id(number), Up.REPORTED)), twin.to_bytes(), qos=1, retain=True)
                if self._stop.wait(REPORT_EVERY_S / MACHINES):
                    return


def _id(number: int) -> str:
    return f"bench-{number:03d}"


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
