"""pymodbus, which we did not write, builds the same requests and reads the same replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from firmware_bridge.codecs import modbus
from firmware_bridge.codecs.modbus import Bits, Function, ModbusCodec, Refused, Registers, Reply, Written

READS: dict[Function, type[ModbusPDU]] = {
    Function.READ_COILS: ReadCoilsRequest,
    Function.READ_DISCRETE: ReadDiscreteInputsRequest,
    Function.READ_HOLDING: ReadHoldingRegistersRequest,
    Function.READ_INPUT: ReadInputRegistersRequest,
}
UNITS, ADDRESSES = st.integers(1, 247), st.integers(0, 0xFFFF)
REGISTERS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123)
COILS = st.lists(st.booleans(), min_size=1, max_size=0x7B0)
WHOLE_BYTES = st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=1, max_size=250)


def theirs(pdu: ModbusPDU) -> bytes:
    return FramerRTU(DecodePDU(is_server=False)).buildFrame(pdu)


def ours(frame: bytes) -> Reply | None:
    codec = ModbusCodec()
    codec.feed(frame)
    reply = codec.next_reply()
    assert codec.discarded == 0
    return reply


@given(function=st.sampled_from(list(READS)), unit=UNITS, address=ADDRESSES, count=st.integers(1, 125))
def test_reads(function: Function, unit: int, address: int, count: int) -> None:
    expected = theirs(READS[function](dev_id=unit, address=address, count=count))
    assert modbus.encode_read(function, unit, address, count) == expected


@given(unit=UNITS, address=ADDRESSES, values=REGISTERS)
def test_writes_of_registers(unit: int, address: int, values: list[int]) -> None:
    request = WriteSingleRegisterRequest if len(values) == 1 else WriteMultipleRegistersRequest
    expected = theirs(request(dev_id=unit, address=address, registers=values))
    assert modbus.encode_write_registers(unit, address, values) == expected


@given(unit=UNITS, address=ADDRESSES, values=COILS)
def test_writes_of_coils(unit: int, address: int, values: list[bool]) -> None:
    request = WriteSingleCoilRequest if len(values) == 1 else WriteMultipleCoilsRequest
    expected = theirs(request(dev_id=unit, address=address, bits=values))
    assert modbus.encode_write_coils(unit, address, values) == expected


@given(unit=UNITS, values=REGISTERS)
def test_answers_with_registers(unit: int, values: list[int]) -> None:
    for function, kind in ((3, ReadHoldingRegistersResponse), (4, ReadInputRegistersResponse)):
        assert ours(theirs(kind(dev_id=unit, registers=values))) == Registers(unit, function, tuple(values))


@given(unit=UNITS, octets=WHOLE_BYTES)
def test_answers_with_bits(unit: int, octets: list[list[bool]]) -> None:
    values = [bit for octet in octets for bit in octet]
    for function, kind in ((1, ReadCoilsResponse), (2, ReadDiscreteInputsResponse)):
        assert ours(theirs(kind(dev_id=unit, bits=values))) == Bits(unit, function, tuple(values))


@given(unit=UNITS, address=ADDRESSES, values=REGISTERS, coil=st.booleans())
def test_answers_to_writes(unit: int, address: int, values: list[int], coil: bool) -> None:
    count, value = len(values), values[0]
    answers: list[tuple[ModbusPDU, Written]] = [
        (WriteSingleCoilResponse(dev_id=unit, address=address, bits=[coil]), Written(unit, 5, address, 1, int(coil))),
        (
            WriteSingleRegisterResponse(dev_id=unit, address=address, registers=[value]),
            Written(unit, 6, address, 1, value),
        ),
        (WriteMultipleCoilsResponse(dev_id=unit, address=address, count=count), Written(unit, 15, address, count)),
        (WriteMultipleRegistersResponse(dev_id=unit, address=address, count=count), Written(unit, 16, address, count)),
    ]
    for answer, expected in answers:
        assert ours(theirs(answer)) == expected


@given(unit=UNITS, function=st.sampled_from(Function), code=st.integers(1, 255))
def test_exceptions(unit: int, function: Function, code: int) -> None:
    assert ours(theirs(ExceptionResponse(function, code, device_id=unit))) == Refused(unit, function, code)


@pytest.mark.parametrize(("unit", "address", "count"), [(0, 0, 1), (248, 0, 1), (1, -1, 1), (1, 0x10000, 1), (1, 0, 0)])
def test_what_modbus_cannot_ask_is_refused(unit: int, address: int, count: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        modbus.encode_read(Function.READ_INPUT, unit, address, count)


def test_more_than_fits_into_one_request_is_refused() -> None:
    for call in (
        lambda: modbus.encode_read(Function.READ_INPUT, 1, 0, 126),
        lambda: modbus.encode_read(Function.READ_COILS, 1, 0, 2001),
        lambda: modbus.encode_read(Function.WRITE_COIL, 1, 0),
        lambda: modbus.encode_write_registers(1, 0, [0] * 124),
        lambda: modbus.encode_write_registers(1, 0, [0, 0x10000]),
        lambda: modbus.encode_write_registers(1, 0, []),
        lambda: modbus.encode_write_coils(1, 0, [True] * 0x7B1),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
