"""Runs Chatterbox as local processes, laid out like the containers: Valkey, auth, history and several gateways."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from chatterbox.chassis.core.caller_keys import CALLERS, ServiceName, caller_keys_text
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.program import Program, start
from tests.support.server import PASSWORD
from tests.support.talker import Talker
from tests.support.valkey import Valkey, valkey
from tests.support.waiting import until

READY_S = 90.0
WORDS = "words-"
"""Begins the names of files with the words that the objects of a service have."""
SERVICE_KEYS = {service: f"a key that only {service} knows in these tests" for service in ServiceName}


class Service:
    """One service as a process; it may be killed and started again, on the same port and data."""

    def __init__(self, name: str, kind: str, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / name
        self.environment = {"CHATTERBOX_PORT": str(self.port), "CHATTERBOX_DATA": str(self.data), **environment}
        self.program: tuple[str, ...] = (f"services.{kind}", "serve")
        """Its module and arguments."""
        self.log = folder / f"{name}.log"
        self._words = folder / f"{WORDS}{name}"
        self._process: Program | None = None

    def sabotage(self, name: str) -> None:
        """From the next start on, run it with one protection removed; `name` is a key of its `SABOTAGES`."""
        module, *arguments = self.program
        self.program = ("tests.support.sabotage", module.removeprefix("services."), name, *arguments)

    def tell_living_words(self) -> None:
        """From the next start on, let it write the words of its objects to a file when `living_words` asks for them."""
        self.program = ("tests.support.living_words", str(self._words), *self.program)

    async def living_words(self) -> set[str]:
        """The traceable words that its objects have; the process must run, since `tell_living_words` was called."""
        self._words.unlink(missing_ok=True)
        self.send(signal.SIGUSR2)
        await until(self._words.exists, READY_S)
        return set(self._words.read_text().split())

    async def start(self) -> None:
        environment = {**os.environ, **self.environment}
        self._process = await asyncio.to_thread(start, *self.program, environment=environment, log=self.log)

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def health(self, which: str = "ready") -> tuple[int, dict[str, Any]]:
        """Status and body of a health check; 0 while the process does not answer."""
        try:
            async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
                answer = await http.get(f"{self.url}/health/{which}", timeout=5)
        except httpx.HTTPError:
            assert self._process is None or self._process.returncode is None, self.log.read_text()
            return 0, {}
        return answer.status_code, answer.json()

    async def until(self, holds: Callable[[int, dict[str, Any]], bool], which: str = "ready") -> dict[str, Any]:
        """Wait until a health check answers so; returns its body."""
        status = 0
        body: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal status, body
            status, body = await self.health(which)
            return holds(status, body)

        try:
            await until(is_so, READY_S)
        except TimeoutError:
            said = f"{self.log.stem} answers {status} {body} after {READY_S:.0f} s; its log ends:"
            raise AssertionError(f"{said}\n{self.log.read_text()[-2000:]}") from None
        return body

    async def until_ready(self) -> None:
        await self.until(lambda status, _: status == 200)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self._process is not None
        self.send(number)
        return await asyncio.to_thread(self._process.wait, READY_S)

    async def kill(self) -> None:
        if self._process is not None:
            await self.signal(signal.SIGKILL)

    def talker(self, token: str, **options: Any) -> Talker:
        """A client of this gateway."""
        return Talker(f"ws://127.0.0.1:{self.port}/ws", token, **options)


def _keys(folder: Path, service: ServiceName) -> dict[str, str]:
    """The files of a service's key, and of the digests of its callers' keys."""
    key, callers = folder / f"{service}-key", folder / f"{service}-callers"
    key.write_text(f"{SERVICE_KEYS[service]}\n")
    callers.write_text(caller_keys_text({caller: SERVICE_KEYS[caller] for caller in CALLERS[service]}))
    return {"CHATTERBOX_SERVICE_KEY_FILE": str(key), "CHATTERBOX_CALLER_KEYS_FILE": str(callers)}


class Topology:
    """All of it; `environment` holds further `CHATTERBOX_…` variables for every process."""

    def __init__(self, redis: Valkey, folder: Path, gateways: int, environment: dict[str, str]) -> None:
        redis_url = folder / "redis-url"
        redis_url.write_text(redis.url)
        shared = {
            "CHATTERBOX_REDIS_URL_FILE": str(redis_url),
            "CHATTERBOX_DRAIN_S": "0",
            **environment,
        }
        self.redis = redis
        keys = {service: _keys(folder, service) for service in ServiceName}
        self.auth = Service("auth", "auth", folder, shared | keys[ServiceName.AUTH])
        shared["CHATTERBOX_AUTH_URL"] = self.auth.url
        self.history = Service("history", "history", folder, shared | keys[ServiceName.HISTORY])
        shared["CHATTERBOX_HISTORY_URL"] = self.history.url
        self.files = Service("files", "files", folder, shared | keys[ServiceName.FILES])
        """Started by the tests that need it."""
        shared |= keys[ServiceName.GATEWAY]
        self.gateways = [Service(f"gateway-{number}", "gateway", folder, shared) for number in range(gateways)]
        self.services = [self.auth, self.history, *self.gateways]

    async def start(self) -> None:
        await _all(service.start() for service in self.services)
        await _all(service.until_ready() for service in self.services)

    async def kill(self) -> None:
        await _all(service.kill() for service in (*self.services, self.files))

    async def newcomer(self, username: str) -> str:
        """Register a user and log in; returns the token."""
        return await newcomer(self.auth.url, username)

    async def logout(self, token: str) -> None:
        async with httpx.AsyncClient(base_url=self.auth.url, trust_env=False, verify=NO_TLS) as http:
            (await http.post("/logout", headers={"Authorization": f"Bearer {token}"})).raise_for_status()


async def newcomer(url: str, username: str) -> str:
    """Register a user with the auth at `url` and log in; returns the token."""
    who = {"username": username, "password": PASSWORD}
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=NO_TLS) as http:
        (await http.post("/register", json=who)).raise_for_status()
        return str((await http.post("/login", json=who)).raise_for_status().json()["token"])


async def _all(work: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*work)


@asynccontextmanager
async def topology(
    folder: Path, *, gateways: int = 2, started: bool = True, **environment: str
) -> AsyncIterator[Topology]:
    """Everything, killed at the end; `started=False` leaves the start of each part to the test."""
    async with valkey(folder, started=started) as redis:
        whole = Topology(redis, folder, gateways, environment)
        try:
            if started:
                await whole.start()
            yield whole
        finally:
            await whole.kill()
