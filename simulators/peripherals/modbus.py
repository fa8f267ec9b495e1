"""A Modbus RTU slave: climate sensor, people counter, door and tamper contacts, output board with lights.

Written from the MODBUS application protocol 1.1b3 and MODBUS over serial line 1.02: unit, function, data, CRC-16 low
byte first; a wrong CRC or another unit is met with silence, unit 0 is obeyed and never answered. Which registers there
are is the profile's map, so that one module stands for every board.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import fastcrc

from simulators.errors import ButtonRefused, SimulatorError
from simulators.peripherals.peer import Inbox, Output, Surroundings

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
REPLY_S = 0.004
TABLES = {"coil": READ_COILS, "discrete": READ_DISCRETE, "holding": READ_HOLDING, "input": READ_INPUT}
FACTORY = {"temperature": 26.9, "humidity": 50.0}


class Illegal(Exception):
    """A Modbus exception answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Slave:
    """A unit with four tables of cells; what is not in a table does not exist."""

    def __init__(self, around: Surroundings) -> None:
        self._unit = around.number("unit", 1)
        self._inbox = Inbox(gap_s=0.2, limit=512)
        self._tables: dict[int, dict[int, int]] = {table: {} for table in TABLES.values()}

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {}

    def snapshot(self) -> dict[str, Any]:
        return {}

    def advance(self, now: float) -> Output:
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (frame := self._next_frame()) is not None:
            if frame[0] in (0, self._unit) and (answer := self._answer(frame)):
                sent.append((now + REPLY_S, answer))
        return sent

    def _next_frame(self) -> bytes | None:
        """The first whole request with a good CRC, wherever it starts."""
        data = self._inbox.data
        for start in range(len(data) - 3):
            length = _request_length(bytes(data[start : start + 7]), len(data) - start)
            frame = bytes(data[start : start + length])
            if length and len(frame) == length and _crc(frame[:-2]) == frame[-2:]:
                self._inbox.drop(start)
                return self._inbox.take(length)
        return None

    def _answer(self, frame: bytes) -> bytes:
        try:
            body = bytes((self._unit, frame[1])) + self._execute(frame[1], frame[2:-2])
        except Illegal as refusal:
            body = bytes((self._unit, frame[1] | 0x80, refusal.code))
        return b"" if frame[0] == 0 else body + _crc(body)

    def _execute(self, function: int, body: bytes) -> bytes:
        if function in TABLES.values():
            return self._read(function, *struct.unpack(">HH", body))
        if function == WRITE_COIL:
            return self._write_coil(body)
        if function == WRITE_COILS:
            return self._write_coils(body)
        if function == WRITE_REGISTER:
            address, value = struct.unpack(">HH", body)
            self._store(READ_HOLDING, {address: value})
            return body
        if function == WRITE_REGISTERS:
            address, count = struct.unpack(">HH", body[:4])
            self._store(READ_HOLDING, dict(enumerate(struct.unpack(f">{count}H", body[5:]), address)))
            return body[:4]
        raise Illegal(ILLEGAL_FUNCTION)

    def _read(self, function: int, address: int, count: int) -> bytes:
        bits = function in (READ_COILS, READ_DISCRETE)
        if not 1 <= count <= (2000 if bits else 125):
            raise Illegal(ILLEGAL_VALUE)
        table, wanted = self._tables[function], range(address, address + count)
        if not table.keys() >= set(wanted):
            raise Illegal(ILLEGAL_ADDRESS)
        values = [table[at] for at in wanted]
        data = _packed(values) if bits else struct.pack(f">{count}H", *values)
        return bytes((len(data),)) + data

    def _write_coil(self, body: bytes) -> bytes:
        address, value = struct.unpack(">HH", body)
        if value not in (0x0000, 0xFF00):
            raise Illegal(ILLEGAL_VALUE)
        self._store(READ_COILS, {address: int(value == 0xFF00)})
        return body

    def _write_coils(self, body: bytes) -> bytes:
        address, count = struct.unpack(">HH", body[:4])
        packed = body[5:]
        if not 1 <= count <= 1968 or len(packed) != (count + 7) // 8:
            raise Illegal(ILLEGAL_VALUE)
        bits = (packed[n // 8] >> (n % 8) & 1 for n in range(count))
        self._store(READ_COILS, dict(enumerate(bits, address)))
        return body[:4]

    def _store(self, function: int, values: dict[int, int]) -> None:
        if not values.keys() <= self._tables[function].keys():
            raise Illegal(ILLEGAL_ADDRESS)
        self._tables[function].update(values)


class Sensor(Slave):
    """What the profile's map says: measured values, counters, contacts."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._map = {name: part for name, part in around.profile.options.items() if isinstance(part, dict)}
        for name in self._map:
            self._set_cells(name, [0] * self._words(name))
        for name in FACTORY.keys() & self._map.keys():
            self._measure(name, FACTORY[name])
        for name in ("door", "tamper"):
            self._contact(name, good=True)

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        known: dict[str, dict[str, Callable[..., Any]]] = {
            "temperature": {"set_temperature": lambda celsius: self._measure("temperature", celsius)},
            "humidity": {"set_humidity": lambda percent: self._measure("humidity", percent)},
            "entered": {"people_in": lambda count=1: self._count("entered", count)},
            "left": {"people_out": lambda count=1: self._count("left", count)},
            "door": {
                "open_door": lambda: self._contact("door", good=False),
                "close_door": lambda: self._contact("door", good=True),
            },
            "tamper": {
                "cut_wire": lambda: self._contact("tamper", good=False),
                "mend_wire": lambda: self._contact("tamper", good=True),
            },
        }
        found = {button: press for name in self._map for button, press in known[name].items()}
        return {**found, "power_cycle": self._power_cycle, "break_probe": self._break_probe}

    def snapshot(self) -> dict[str, Any]:
        return {name: self._cells(name) for name in self._map}

    def _words(self, name: str) -> int:
        return int(self._map[name].get("bits", 16)) // 16

    def _table(self, name: str) -> dict[int, int]:
        standard = "discrete" if name in ("door", "tamper") else "input"
        return self._tables[TABLES[self._map[name].get("table", standard)]]

    def _cells(self, name: str) -> list[int]:
        first = self._map[name]["address"]
        return [self._table(name)[first + n] for n in range(self._words(name))]

    def _set_cells(self, name: str, values: list[int]) -> None:
        self._table(name).update(enumerate(values, self._map[name]["address"]))

    def _measure(self, name: str, value: float) -> None:
        raw = round(value / self._map[name].get("scale", 0.1))
        if not -0x8000 <= raw < 0x8000:
            raise ButtonRefused(f"{name}: expected a value that fits into 16 bits, got {value}")
        self._set_cells(name, [raw & 0xFFFF])

    def _count(self, name: str, steps: int) -> None:
        words = self._words(name)
        cells = self._cells(name)
        swapped = bool(self._map[name].get("low_word_first", False))
        old = int.from_bytes(struct.pack(f">{words}H", *(cells[::-1] if swapped else cells)))
        new = struct.unpack(f">{words}H", ((old + steps) % (1 << 16 * words)).to_bytes(2 * words))
        self._set_cells(name, list(new[::-1] if swapped else new))

    def _contact(self, name: str, good: bool) -> None:
        if name in self._map:
            value = int(self._map[name].get("good", 1))
            self._set_cells(name, [value if good else 1 - value])

    def _break_probe(self, name: str = "temperature") -> None:
        if "broken" not in self._map.get(name, {}):
            raise ButtonRefused(f"break_probe: expected a value whose map says `broken`, got {name!r}")
        self._set_cells(name, [self._map[name]["broken"]])

    def _power_cycle(self) -> None:
        for name in {"entered", "left"} & self._map.keys():
            self._set_cells(name, [0] * self._words(name))


class LightBoard(Slave):
    """Coils that light lamps, and registers for their rhythm."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._lights: dict[str, Any] = around.profile.options.get("lights", {})
        if not self._lights:
            raise SimulatorError(f"{around.profile.id}: option lights: expected at least one light")
        self._power_cycle()

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {"power_cycle": self._power_cycle}

    def snapshot(self) -> dict[str, Any]:
        return {"lights": {name: self._seen(lamp) for name, lamp in self._lights.items()}}

    def _seen(self, lamp: dict[str, Any]) -> dict[str, Any]:
        coils, holding = self._tables[READ_COILS], self._tables[READ_HOLDING]
        lit = [color for color, coil in lamp["coils"].items() if coils[coil]]
        rhythm = "continuous"
        if "blink" in lamp:
            names = {value: name for name, value in lamp["blink"]["values"].items()}
            rhythm = names.get(holding[lamp["blink"]["register"]], "unknown")
        return {"lit": lit, "rhythm": rhythm if lit else "off"}

    def _power_cycle(self) -> None:
        for lamp in self._lights.values():
            self._tables[READ_COILS].update(dict.fromkeys(lamp["coils"].values(), 0))
            if "blink" in lamp:
                self._tables[READ_HOLDING][lamp["blink"]["register"]] = 0


def _packed(bits: list[int]) -> bytes:
    data = bytearray((len(bits) + 7) // 8)
    for n, bit in enumerate(bits):
        data[n // 8] |= bit << n % 8
    return bytes(data)


def _request_length(head: bytes, available: int) -> int:
    """Bytes of the request that starts here: Modbus RTU has no length field, so the function decides."""
    function = head[1]
    if function in (WRITE_COILS, WRITE_REGISTERS):
        return 9 + head[6] if len(head) > 6 else 0
    if function in (*TABLES.values(), WRITE_COIL, WRITE_REGISTER):
        return 8
    return available if available >= 4 else 0


def _crc(data: bytes) -> bytes:
    return fastcrc.crc16.modbus(data).to_bytes(2, "little")


def open_peer(around: Surroundings) -> Slave:
    """A board with lights where the profile wires some, else a sensor."""
    return LightBoard(around) if around.profile.capability == "lights" else Sensor(around)
