"""Redis in a container, which tests can kill, freeze and start again like a local Valkey."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError
from testcontainers.core.container import DockerContainer

from tests.support.engine import no_reaper
from tests.support.ports import free_port
from tests.support.waiting import until

IMAGE = "redis:8"
READY_S = 20.0
ANSWER_S = 1.0


class RedisContainer:
    """A server on a port of its own, the same after each start; it stores nothing."""

    def __init__(self, container: DockerContainer, port: int) -> None:
        self._container = container.get_wrapped_container()
        self.url = f"redis://127.0.0.1:{port}"

    async def start(self) -> None:
        """Start it and wait for an answer: the engine takes connections before the server does."""
        self._container.start()
        await until(self._answers, READY_S)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                return bool(await self.command("PING"))
        except (RedisError, OSError, TimeoutError):
            return False

    async def renew(self) -> None:
        """Reset it if a test left it stopped, frozen or with a password."""
        if not await self._answers():
            await self.kill()
            await self.start()

    async def command(self, *words: str) -> object:
        """What the server answers to a command."""
        async with Redis.from_url(self.url) as redis:
            answer: object = await redis.execute_command(*words)  # type: ignore[no-untyped-call]
            return answer

    @property
    def is_running(self) -> bool:
        self._container.reload()
        return bool(self._container.status == "running")

    def signal(self, number: signal.Signals) -> None:
        self._container.kill(signal=number.name)

    async def kill(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
            self._container.wait()


@contextmanager
def redis_container() -> Iterator[RedisContainer]:
    """A container, removed at the end; call `renew` before each use."""
    port = free_port()
    command = "redis-server --bind 0.0.0.0 --protected-mode no --save '' --appendonly no"
    container = DockerContainer(IMAGE).with_bind_ports(6379, port).with_command(command)
    with no_reaper(), container:
        yield RedisContainer(container, port)
