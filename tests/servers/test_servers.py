"""Each server starts, answers and is gone afterwards; each crash and restart keeps what it should."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import httpx
import psutil
import pytest
import sqlalchemy as sa
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from PIL import Image
from playwright.async_api import Browser

from tests.conftest import require
from tests.servers import mosquitto as mosquitto_server
from tests.servers import parts, postgres, process
from tests.servers import victoria as victoria_server

DAY_AT = 1_700_000_000_000


@pytest.mark.mosquitto
async def test_mosquitto_delivers(mosquitto: mosquitto_server.Broker) -> None:
    async with aiomqtt.Client(mosquitto.host, mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("servers/greeting", qos=1)
        await client.publish("servers/greeting", "你好".encode(), qos=1)
        message = await anext(client.messages)
    assert message.payload == "你好".encode()


@pytest.mark.mosquitto
async def test_mosquitto_keeps_retained_messages_over_an_orderly_restart() -> None:
    require("mosquitto")
    with mosquitto_server.serve() as broker:
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.publish("servers/kept", b"1", qos=1, retain=True)
        broker.process.stop()
        broker.process.start()
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.subscribe("servers/kept", qos=1)
            message = await anext(client.messages)
    assert (message.payload, message.retain) == (b"1", True)


@pytest.mark.postgres
def test_postgres_answers(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
        assert connection.scalar(sa.text("SHOW server_encoding")) == "UTF8"
    engine.dispose()


@pytest.mark.postgres
def test_postgres_gives_every_test_a_database_of_its_own(postgres_server: postgres.Cluster) -> None:
    with postgres_server.fresh_database() as first, postgres_server.fresh_database() as second:
        engines = [sa.create_engine(url) for url in (first, second)]
        with engines[0].begin() as connection:
            connection.execute(sa.text("CREATE TABLE only_here (id integer)"))
        assert [sa.inspect(engine).get_table_names() for engine in engines] == [["only_here"], []]
        for engine in engines:
            engine.dispose()


@pytest.mark.postgres
def test_postgres_keeps_a_commit_over_a_crash() -> None:
    require("postgres")
    with postgres.serve() as cluster:
        engine = sa.create_engine(cluster.url(), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE kept AS SELECT 7 AS value"))
        cluster.process.kill()
        cluster.process.start()
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT value FROM kept")) == 7


@pytest.mark.victoria
async def test_victoria_gives_back_what_was_written(victoria: victoria_server.Store) -> None:
    async with InfluxDBClientAsync(victoria.url, token="", org="-") as client:
        written = await client.write_api().write(
            bucket="-", record=f"servers,machine=k1 temperature=36.5 {DAY_AT}000000"
        )
    assert written
    victoria.flush()
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{victoria.url}/api/v1/export", params={"match[]": "servers_temperature"})
    row = answer.json()
    assert (row["metric"]["machine"], row["values"], row["timestamps"]) == ("k1", [36.5], [DAY_AT])


@pytest.mark.browser
async def test_chromium_draws_chinese_text(browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 400, "height": 200})
    await page.set_content("<h1>请到三号窗口</h1><h1>请到三号窗口</h1>")
    assert await page.inner_text("h1 >> nth=0") == "请到三号窗口"
    # A missing font draws the same box for every character; the two characters must differ.
    await page.set_content("<span id=a>号</span> <span id=b>窗</span>")
    first, second = [Image.open(io.BytesIO(await page.locator(f"#{name}").screenshot())) for name in "ab"]
    assert first.convert("L").tobytes() != second.convert("L").tobytes()


@pytest.mark.parametrize(
    ("part", "serve", "port_of"),
    [
        ("mosquitto", mosquitto_server.serve, lambda server: server.port),
        ("postgres", postgres.serve, lambda server: server.port),
        ("victoria", victoria_server.serve, lambda server: server.port),
    ],
)
def test_nothing_is_left_of_a_server(part: str, serve: Callable, port_of: Callable) -> None:
    require(part)
    with serve() as server:
        port, pid, folder = port_of(server), server.process.pid, server.process.folder
        owner = psutil.Process(pid).username()
        listening = {connection.laddr.ip for connection in psutil.Process(pid).net_connections("inet")}
    assert owner == process.server_user() != "root"
    assert listening <= {process.HOST}
    assert not process.accepts_connections(port)
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["mosquitto", "postgres", "victoria"])
def test_a_server_dies_with_a_killed_test_run(name: str, repo_root: Path) -> None:
    require(name)
    program = (
        f"import signal\nfrom tests.servers import {name} as part\n"
        "with part.serve() as server:\n    print(server.process.pid, flush=True)\n    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=repo_root, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        folder = server.cwd()
        run.kill()
    server.wait(timeout=10)
    assert not server.is_running()
    # The killed run could not tidy up, and neither the data nor its folder may pile up.
    shutil.rmtree(folder if name != "postgres" else Path(folder).parent)


def test_a_missing_program_says_what_to_do() -> None:
    with pytest.raises(parts.MissingPart, match=r"scripts/install-servers.*HALLFLEET_SKIP=mosquitto"):
        parts.find_program("mosquitto", "no-such-broker")


def test_a_misspelt_part_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parts.SKIP_VARIABLE, "postgres, mosquito")
    with pytest.raises(parts.UnknownPart, match="mosquito; known: mosquitto, postgres"):
        parts.skipped_parts()


def test_a_server_that_cannot_start_shows_its_log() -> None:
    require("mosquitto")
    with (
        pytest.raises(process.ServerFailed, match="no_such_option"),
        mosquitto_server.serve(extra_configuration="no_such_option true\n"),
    ):
        pytest.fail("the broker must not start")
