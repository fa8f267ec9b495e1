"""What a person may write to say where a device is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.addresses import FileAddress, UrlAddress, UsbAddress, parse_address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/dev/ttyUSB0", FileAddress("/dev/ttyUSB0")),
        ("out/dev/printer", FileAddress("out/dev/printer")),
        ("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0-port0",) * 2,
        ("tcp://10.0.0.7:4001", UrlAddress("tcp://10.0.0.7:4001")),
        ("usb://1-1.2", UrlAddress("usb://1-1.2")),
        ("usb", UsbAddress()),
        ("usb:serial=FT4XK9", UsbAddress(serial="FT4XK9")),
        ("usb:path=1-1.2", UsbAddress(path="1-1.2")),
        ("usb:id=1a86:7523,path=2-1,interface=3", UsbAddress(id="1a86:7523", path="2-1", interface=3)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, meant: object) -> None:
    found = parse_address(text)
    assert found == (FileAddress(meant) if isinstance(meant, str) else meant)
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a path"),
        ("usbb", "expected a path"),
        ("usb:", None),
        ("usb:1-1.2", "expected the keys id, path, serial, interface"),
        ("usb:port=1", "expected the keys id, path, serial, interface"),
        ("usb:path=1", "usb: path: expected bus-port.port, such as 1-1.2, got '1'"),
        ("usb:path=", "usb: path: expected"),
        ("usb:id=1A86:7523", "usb: id: expected vendor:product, four lower-case"),
        ("usb:serial=a b", "usb: serial: expected the serial number"),
        ("usb:path=1-1,path=1-2", "each key once, got path twice"),
        ("usb:interface=x", "usb: interface: expected a number"),
        ("tcp://", "expected scheme://address"),
        ("://x", "expected scheme://address"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str | None) -> None:
    if said is None:
        assert parse_address(text) == UsbAddress()
        return
    with pytest.raises(ValueError, match="expected") as error:
        parse_address(text)
    assert said in str(error.value)


@given(st.text())
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    try:
        found = str(parse_address(text))
    except ValueError as error:
        found = f"{error}"
    assert found in (text, "usb") or "expected" in found
