"""The codec of modbus.toml, and its requests by the names used there."""

from firmware_bridge.codecs import modbus
from firmware_bridge.codecs.modbus import Function
from tests.builders.vector_entry import Entry

_TEN_COILS = [True, False, True, True, False, False, True, True, True, False]

ENTRY = Entry(
    modbus.ModbusCodec,
    {
        "temperature and humidity of unit 1": lambda: modbus.encode_read(Function.READ_INPUT, 1, 0, 2),
        "coil 0 on": lambda: modbus.encode_write_coils(1, 0, [True]),
        "coil 0 off": lambda: modbus.encode_write_coils(1, 0, [False]),
        "ten coils from 19 on": lambda: modbus.encode_write_coils(17, 19, _TEN_COILS),
        "discrete inputs 197 to 218": lambda: modbus.encode_read(Function.READ_DISCRETE, 17, 196, 22),
        "blink register 16 to 3": lambda: modbus.encode_write_registers(1, 16, [3]),
    },
)
