"""`make up GATEWAYS=2`: all services as local processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chatterbox.chassis.operator_errors import OperatorError
from services.processes.program_paths import caddy_program, redis_program
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.server import PASSWORD
from tests.support.talker import Talker, contents
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
READY_S = 60.0


class Site:
    """A running topology."""

    def __init__(self, port: int, process: asyncio.subprocess.Process, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.log = log

    async def newcomer(self, username: str) -> str:
        who = {"username": username, "password": PASSWORD}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS) as http:
            (await http.post("/register", json=who)).raise_for_status()
            return str((await http.post("/login", json=who)).raise_for_status().json()["token"])

    def talker(self, token: str) -> Talker:
        return Talker(self.url.replace("http", "ws") + "/ws", token)

    def children(self) -> list[int]:
        """The processes that it has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    async def ends(self) -> int:
        return await asyncio.wait_for(self.process.wait(), READY_S)


def alive(children: list[int]) -> list[int]:
    return [pid for pid in children if Path(f"/proc/{pid}").exists()]


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    log = folder / "site.log"
    port = free_port()
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.processes", "--gateways", "2", cwd=ROOT, stdout=out, stderr=out,
            env={**os.environ, "CHATTERBOX_PORT": str(port), "CHATTERBOX_DATA": str(folder / "data"),
                 "CHATTERBOX_DRAIN_S": "0"},
        )  # fmt: skip
    try:

        def listens() -> bool:
            assert process.returncode is None, log.read_text()
            return "listens on" in log.read_text()

        await until(listens, READY_S)
        yield Site(port, process, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), READY_S)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Site]:
    try:
        redis_program()
        caddy_program()
    except OperatorError as problem:
        pytest.skip(str(problem))
    async with site(tmp_path) as started:
        yield started


async def test_two_gateways_serve_through_the_edge_and_ctrl_c_stops_every_process(running: Site) -> None:
    ada_token, bob_token = await running.newcomer("ada"), await running.newcomer("bob")
    async with running.talker(ada_token) as ada, running.talker(bob_token) as bob:
        await ada.send("hello across", key="k1")
        assert contents(await bob.messages(1)) == ["hello across"]
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, verify=NO_TLS) as http:
        statuses = [(await http.get(path)).status_code for path in ("/internal/jwks", "/metrics", "/health/ready")]
        assert statuses == [404, 404, 404]
        assert "/messages" in (await http.get("/openapi.json")).json()["paths"]
    children = running.children()
    assert len(children) == 7
    running.process.send_signal(signal.SIGINT)
    assert await running.ends() == 0
    assert alive(children) == []
    assert "Traceback" not in running.log.read_text()


async def test_a_process_that_ends_unexpectedly_is_named_and_all_others_are_stopped(running: Site) -> None:
    children = running.children()
    os.kill(children[4], signal.SIGKILL)
    assert await running.ends() == 1
    assert "gateway-1 ended unexpectedly; all processes were stopped" in running.log.read_text()
    assert alive(children) == []
