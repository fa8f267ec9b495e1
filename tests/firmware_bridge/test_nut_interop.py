"""aionut itself, with its own connection, on our simulated upsd; and our driver over loopback."""

import pytest
from aionut import AIONUTClient, NUTCommandError, NUTLoginError

from device_profiles.catalog import load_catalog
from firmware_bridge.clock import SystemClock
from firmware_bridge.codecs.nut import Listing, NutCodec, parse_variables
from firmware_bridge.drivers._nut_client import NutClient
from firmware_bridge.errors import TransportLost
from firmware_bridge.link import Link
from firmware_bridge.registry import load_driver, transport_for
from simulators.peripherals import build_peer
from simulators.peripherals.nut import Upsd
from tests.builders.upsd_server import serve_upsd


def upsd() -> Upsd:
    peer = build_peer(load_catalog().peripheral("nut-ups"), seed=1, shared={})
    assert isinstance(peer, Upsd)
    return peer


async def test_aionut_reads_and_commands_our_upsd() -> None:
    peer = upsd()
    async with serve_upsd(peer) as port:
        client = AIONUTClient(port=port, username="hall", password="sandbox", timeout=5)
        try:
            assert await client.list_ups() == {"hallups": "Simulated supply"}
            assert await client.description("hallups") == "Simulated supply"
            peer.buttons["mains_fail"]()
            assert (await client.list_vars("hallups"))["ups.status"] == "OB DISCHRG"
            assert "shutdown.return" in await client.list_commands("hallups")
            assert await client.run_command("hallups", "test.battery.start.quick") == "OK"
            with pytest.raises(NUTCommandError, match="UNKNOWN-UPS"):
                await client.list_vars("other")
        finally:
            client.shutdown()


async def test_aionut_and_we_read_the_same() -> None:
    profile = load_catalog().peripheral("nut-ups")
    async with serve_upsd(upsd()) as port:
        theirs = AIONUTClient(port=port, timeout=5)
        transport = transport_for(profile, f"tcp://127.0.0.1:{port}")
        await transport.open()
        ours = NutClient(Link(transport, NutCodec(), SystemClock(), reply_s=5, attempts=1))
        try:
            assert await ours.supplies() == sorted(await theirs.list_ups())
            assert await ours.variables("hallups") == await theirs.list_vars("hallups")
        finally:
            await transport.close()
            theirs.shutdown()


def test_quotes_in_a_value_are_read() -> None:
    text = (
        b'BEGIN LIST VAR u\nVAR u a "the \\"big\\" one"\nVAR u b ""\nVAR u c "\\\\"\nVAR u d broken\nEND LIST VAR u\n'
    )
    codec = NutCodec()
    codec.feed(text)
    listing = codec.next_reply()
    assert isinstance(listing, Listing)
    assert parse_variables(listing) == {"a": 'the "big" one', "b": "", "c": "\\"}


async def test_aionut_is_refused_with_a_wrong_password() -> None:
    async with serve_upsd(upsd()) as port:
        client = AIONUTClient(port=port, username="hall", password="guessed", timeout=5)
        try:
            with pytest.raises(NUTLoginError, match="ACCESS-DENIED"):
                await client.run_command("hallups", "shutdown.return")
        finally:
            client.shutdown()


async def test_aionut_comes_back_after_an_answer_was_cut_off() -> None:
    peer = upsd()
    async with serve_upsd(peer) as port:
        client = AIONUTClient(port=port, timeout=5, persistent=False)
        peer.buttons["drop_mid_answer"]()
        with pytest.raises(Exception, match="bytes read"):
            await client.list_vars("hallups")
        assert (await client.list_vars("hallups"))["ups.status"] == "OL"
        client.shutdown()


async def test_our_driver_over_loopback_sees_a_connection_that_drops_in_the_middle_of_an_answer() -> None:
    peer, profile = upsd(), load_catalog().peripheral("nut-ups")
    async with serve_upsd(peer) as port:
        transport = transport_for(profile, f"tcp://127.0.0.1:{port}")
        await transport.open()
        driver = load_driver(profile, transport)
        assert (await driver.identify()).model == "Invented Power LI1000"
        peer.buttons["drop_mid_answer"]()
        with pytest.raises(TransportLost):
            await driver.status()
        await transport.open()
        assert (await driver.status()).device == "online"
        await driver.close()
