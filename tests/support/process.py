"""Chatterbox as its own process, as `make up` starts it; for tests that kill it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.program import Program, start
from tests.support.server import PASSWORD
from tests.support.talker import Talker
from tests.support.waiting import until

READY_S = 30.0
ALLINONE = ("services.allinone",)


class Process:
    """A running server process: `program` is its module and arguments, `environment` its `CHATTERBOX_…` variables."""

    def __init__(self, data: Path, program: Sequence[str] = ALLINONE, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self._program = program
        self.log = data.parent / f"{data.name}.log"
        self._process: Program | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready; if it ends first, the assertion shows its log."""
        settings = {"CHATTERBOX_PORT": str(self.port), "CHATTERBOX_DATA": str(self.data), "CHATTERBOX_DRAIN_S": "0"}
        environment = {**os.environ, **settings, **self.environment}
        self._process = await asyncio.to_thread(start, *self._program, environment=environment, log=self.log)
        await until(self._answers, READY_S)

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log.read_text()
        try:
            async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
                return (await http.get(f"{self.url}/health/ready", timeout=1)).is_success
        except httpx.HTTPError:
            return False

    async def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit status (negative: the signal that ended it)."""
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, READY_S)

    async def kill(self) -> None:
        await self.signal(signal.SIGKILL)

    async def newcomer(self, username: str) -> str:
        """Register a user and log in; returns the token."""
        who = {"username": username, "password": PASSWORD}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS) as http:
            (await http.post("/register", json=who)).raise_for_status()
            return str((await http.post("/login", json=who)).raise_for_status().json()["token"])

    def talker(self, token: str) -> Talker:
        return Talker(f"ws://127.0.0.1:{self.port}/ws", token)


@asynccontextmanager
async def process(data: Path, program: Sequence[str] = ALLINONE, **environment: str) -> AsyncIterator[Process]:
    """A started server process, killed at the end if it still runs."""
    server = Process(data, program, **environment)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
