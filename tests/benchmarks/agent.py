"""One kiosk agent with simulated peripherals: resident memory, idle CPU, seconds from start to online.

Goals: under 60 MiB, under 1 % of a core, under 2 s.
"""

import tempfile
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from device_profiles.catalog import load_catalog
from device_profiles.messages.presence import Presence
from device_profiles.messages.topics import Topic, Up
from tests.benchmarks.processes import python, wait_until
from tests.servers import mosquitto
from tests.servers.process import free_port

MACHINE, PROFILE = "bench-kiosk", "kiosk"
SETTLE_S, IDLE_S = 5.0, 20.0


def measure() -> dict[str, object]:
    """The three figures."""
    with tempfile.TemporaryDirectory() as name, mosquitto.serve() as broker:
        folder = Path(name)
        slots = load_catalog().machine(PROFILE).slots
        simulate = ("simulate", "machine", PROFILE, "--id", MACHINE, "--dir", str(folder / "dev"))
        with python("hallfleet", *simulate, log=folder / "sim.log"):
            links = [folder / "dev" / MACHINE / slot for slot in slots]
            wait_until(lambda: all(link.exists() for link in links), f"{links} exist")
            settings = _settings(folder, broker.port, list(slots))
            return _measure_agent(folder, broker.port, settings)


def _measure_agent(folder: Path, broker_port: int, settings: Path) -> dict[str, object]:
    with _Presence(broker_port) as online:
        began = time.perf_counter()
        with python("hallfleet", "edge", "run", "--config", str(settings), log=folder / "edge.log") as child:
            wait_until(lambda: online, f"the agent is online, see {folder / 'edge.log'}")
            to_online = time.perf_counter() - began
            process = psutil.Process(child.pid)
            time.sleep(SETTLE_S)
            before, at = _cpu_s(process), time.perf_counter()
            time.sleep(IDLE_S)
            used = (_cpu_s(process) - before) / (time.perf_counter() - at)
            return {
                "start to online, s": round(to_online, 2),
                "resident memory, MiB": round(process.memory_info().rss / 2**20, 1),
                "idle CPU, % of a core": round(100 * used, 2),
            }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Presence:
    """Context: a list that fills when the machine says that it is online."""

    def __init__(self, port: int) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench", protocol=mqtt.MQTTv5)
        self._port = port
        self._online: list[Presence] = []

    def __enter__(self) -> list[Presence]:
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self._online

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, *_details: object) -> None:
        self._client.subscribe(str(Topic(MACHINE, Up.PRESENCE)), qos=1)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        presence = Presence.from_bytes(bytes(message.payload))
        if presence.state == "online":
            self._online.append(presence)


def _settings(folder: Path, broker_port: int, slots: list[str]) -> Path:
    path = folder / "edge.toml"
    ports = "\n".join(f'{slot} = "{folder / "dev" / MACHINE / slot}"' for slot in slots)
    path.write_text(
        f'machine = "{MACHINE}"\nprofile = "{PROFILE}"\nbroker = "mqtt://127.0.0.1:{broker_port}"\n'
        f'data_dir = "{folder / "edge"}"\nscreen_port = {free_port()}\n\n[ports]\n{ports}\n'
    )
    return path
