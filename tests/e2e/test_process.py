"""The single process as `make up` starts it: its output, its errors at start, its shutdown."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.loopback import NO_TLS
from tests.support.process import Process, process
from tests.support.program import run_service
from tests.support.waiting import until


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    async with process(tmp_path / "data", CHATTERBOX_LOG_LEVEL="debug") as server:
        yield server


async def start(**environment: str) -> tuple[int, str]:
    """Start a server that is expected to fail; returns its exit status and its output."""
    done = await asyncio.to_thread(run_service, "services.allinone", environment={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


async def test_the_server_prints_its_url_and_the_client_command(server: Process) -> None:
    await until(lambda: "Ctrl-C stops it." in server.log.read_text(), 10)
    said = server.log.read_text()
    assert f"listens on {server.url}" in said
    assert f"--server {server.url} chat" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_drains_the_server_and_leaves_no_wal_files(server: Process, number: signal.Signals) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        await alice.send("stored")
        status = asyncio.create_task(server.signal(number))
        assert await alice.closed() == 1012
        assert await status == 0
    assert "Traceback" not in server.log.read_text()
    left = {entry.name for entry in server.data.iterdir()}
    assert not {name for name in left if name.endswith(("-wal", "-shm", "-journal"))}


async def test_a_second_server_on_the_same_data_is_refused(server: Process) -> None:
    status, said = await start(CHATTERBOX_DATA=str(server.data), CHATTERBOX_PORT="0")
    assert (status, said.count("\n")) == (1, 1)
    assert "another Chatterbox runs on" in said
    assert (await _get(f"{server.url}/health/live")) == 200


async def test_a_port_in_use_is_named_in_the_error(server: Process, tmp_path: Path) -> None:
    status, said = await start(CHATTERBOX_DATA=str(tmp_path / "other"), CHATTERBOX_PORT=str(server.port))
    assert (status, said.count("\n")) == (1, 1)
    assert f"port {server.port} is already in use" in said
    assert "CHATTERBOX_PORT" in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHATTERBOX_PORT", "many"),
        ("CHATTERBOX_PORT", "70000"),
        ("CHATTERBOX_LOG_LEVEL", "loud"),
        ("CHATTERBOX_SENDS_PER_S", "0"),
    ],
)
async def test_an_invalid_setting_is_named_in_the_error(tmp_path: Path, variable: str, value: str) -> None:
    status, said = await start(**{"CHATTERBOX_DATA": str(tmp_path), variable: value})
    assert status == 2
    assert said.startswith(f"chatterbox: {variable}: ")
    assert "Traceback" not in said


async def test_a_data_folder_that_can_not_be_created_is_named_in_the_error(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    status, said = await start(CHATTERBOX_DATA=str(blocker / "data"), CHATTERBOX_PORT="0")
    assert (status, said.count("\n")) == (1, 1)
    assert "CHATTERBOX_DATA" in said


async def test_a_damaged_database_is_refused_at_start(server: Process) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token) as alice:
        for number in range(50):
            await alice.send("x" * 1000, key=f"k{number}")
    assert await server.signal(signal.SIGTERM) == 0
    database = server.data / "history.sqlite"
    content = bytearray(database.read_bytes())
    content[100:120] = b"\xff" * 20
    content[-3000:-2000] = b"\xff" * 1000
    database.write_bytes(content)
    status, said = await start(CHATTERBOX_DATA=str(server.data), CHATTERBOX_PORT="0")
    assert status != 0
    assert "restore a backup" in said
    assert "Traceback" not in said


async def test_internal_paths_are_not_served_publicly(server: Process) -> None:
    for path in ("/internal/jwks", "/internal/appends", "/internal/revocations", "/metrics"):
        assert await _get(server.url + path) == 404


async def test_the_api_reference_is_served(server: Process) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as http:
        openapi = (await http.get("/openapi.json")).json()
        assert {"/register", "/login", "/logout", "/messages", "/rooms"} <= openapi["paths"].keys()
        assert not [path for path in openapi["paths"] if path.startswith("/internal")]
        assert (await http.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
        page = await http.get("/docs")
        assert "swagger-ui" in page.text
        assert "//cdn" not in page.text


async def test_the_log_contains_no_secret_and_no_message_text(server: Process) -> None:
    token = await server.newcomer("alice")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as http:
        who = {"username": "alice", "password": "canary-wrong-password"}
        await http.post("/login", json=who)
        await http.get("/messages", params={"token": token}, headers={"Authorization": f"Bearer {token}x"})
    for shown in (token, token[:-4] + "AAAA", "canary-token"):
        talker = server.talker(shown)
        talker._how = "query"
        await talker.open()
        with contextlib.suppress(ConnectionClosed):
            await talker.say({"type": "send", "id": 1, "content": "canary-content"})
            await talker.say("canary-frame")
        await talker.socket.close()
    await server.signal(signal.SIGTERM)
    said = server.log.read_text()
    canaries = ["canary", "correct horse", token, *token.split(".")[1:]]
    assert [canary for canary in canaries if canary in said] == []


async def _get(url: str) -> int:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        return (await http.get(url)).status_code


async def test_a_page_that_rebinds_its_name_to_the_server_gets_421(tmp_path: Path) -> None:
    async with process(tmp_path / "data", CHATTERBOX_DOMAIN="chat.example.org", CHATTERBOX_HOSTS="a.lan") as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            for host, status in (("evil.example", 421), ("chat.example.org", 200), ("a.lan:1", 200), ("[::1]", 200)):
                assert (await http.get("/health/live", headers={"Host": host})).status_code == status
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
            key = {"Sec-WebSocket-Key": "A" * 22 + "==", "Host": "evil.example", "Origin": "http://evil.example"}
            refused = await http.get("/ws", headers={**upgrade, **key})
            assert (refused.status_code, refused.json()["code"]) == (421, "host_refused")


async def test_answers_carry_security_headers(tmp_path: Path) -> None:
    names = {"CHATTERBOX_DOMAIN": "chat.example.org", "CHATTERBOX_TRUSTED_PROXIES": "127.0.0.1"}
    async with process(tmp_path / "data", **names) as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            answer = await http.get("/sessions", headers={"X-Forwarded-Proto": "https"})
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert "frame-ancestors 'none'" in (await http.get("/docs")).headers["content-security-policy"]
