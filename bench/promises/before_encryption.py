"""Promise "plain rooms and commands cost what they did before encryption": this code beside that of an earlier commit.

The earlier code is in a folder of its own; both run at the same time, on the same interpreter and packages, and are
measured in turn.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.processes import cpu_s
from bench.promises.bars import Bar, Line, Part
from client.store.session_file import SavedSession, SessionFile
from tests.support.ports import free_port
from tests.support.server import PASSWORD
from tests.support.talker import Talker
from tests.support.waiting import until

HERE = Path(__file__).parents[2]
COMMIT = "b528e58c"
"""The last one before encryption."""
LEAST, MOST = 0.97, 1.03
START_MS = 2.0
"""What `chatterbox rooms` may take longer: as much as the median of equal programs differs."""
CHARACTERS = 60
IN_FLIGHT = 50
READY_S = 90.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes. `before`: the folder with the earlier code; None: nothing is measured."""

    before: Path | None = None
    members: int = 20
    messages: int = 2000
    """In each round."""
    rounds: int = 15
    starts: int = 30


@dataclass(slots=True)
class Measured:
    """All values."""

    plain_ratio: list[float] = field(default_factory=list)
    start_ms: list[float] = field(default_factory=list)
    before_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Program:
    """Chatterbox in one process, of one of the two versions, with people in `general`."""

    code: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    author: Talker
    readers: Sequence[Talker]
    environment: dict[str, str]
    """For the client's commands."""

    async def round(self, messages: int) -> float:
        """CPU time of the server for messages to all (seconds)."""
        began_s = cpu_s(self.process.pid)
        numbers = range(messages)
        for first in range(0, messages, IN_FLIGHT):
            some = numbers[first : first + IN_FLIGHT]
            for number in some:
                await self.author.say({"type": "send", "id": number + 1, "content": "x" * CHARACTERS})
            for number in some:
                assert (await self.author.first(id=number + 1))["type"] == "sent"
        await asyncio.gather(*(reader.ask("ping") for reader in self.readers))
        took_s = cpu_s(self.process.pid) - began_s
        for talker in (self.author, *self.readers):
            talker.inbox.clear()
        return took_s

    def list_rooms(self) -> float:
        """CPU time of `chatterbox rooms` (seconds)."""
        before = os.times()
        command = [sys.executable, "-m", "client", "rooms"]
        subprocess.run(command, cwd=self.code, env=self.environment, check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    if plan.before is None:
        return measured
    for name in ("now", "before"):
        (folder / name).mkdir()
    async with AsyncExitStack() as stack:
        now = await stack.enter_async_context(_running(HERE, folder / "now", plan.members))
        before = await stack.enter_async_context(_running(plan.before, folder / "before", plan.members))
        turns = itertools.cycle([(now, before), (before, now)])
        for number in range(plan.rounds + 1):
            print(f"before encryption: plain room, round {number} of {plan.rounds}", flush=True)
            costs = {each.code: await each.round(plan.messages) for each in next(turns)}
            if number:  # the first round warms up
                measured.plain_ratio.append(costs[now.code] / costs[before.code])
        for number in range(plan.starts + 1):
            took = {each.code: 1000 * each.list_rooms() for each in next(turns)}
            if number:
                measured.start_ms.append(took[now.code] - took[before.code])
                measured.before_ms.append(took[before.code])
    return measured


@asynccontextmanager
async def _running(code: Path, folder: Path, members: int) -> AsyncIterator[Program]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _process(code, folder, port) as process:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http, AsyncExitStack() as stack:
            await until(lambda: _answers(http), READY_S)
            tokens = [await _newcomer(http, name, url, folder) for name in ("author", "reader")]
            author, *readers = [
                await stack.enter_async_context(Talker(f"ws://127.0.0.1:{port}/ws", token))
                for token in (tokens[0], *itertools.repeat(tokens[1], members))
            ]
            environment = _environment(code) | {
                "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "CHATTERBOX_SERVER": url,
            }  # fmt: skip
            yield Program(code, folder, port, process, author, readers, environment)


@contextmanager
def _process(code: Path, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = _environment(code) | {
        "CHATTERBOX_PORT": str(port),
        "CHATTERBOX_DATA": str(folder / "data"),
        "CHATTERBOX_SENDS_PER_S": "100000",
        "CHATTERBOX_SENDS_BURST": "100000",
        "CHATTERBOX_CONNECTIONS_PER_USER": "1000",
    }
    with (folder / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "services.allinone"]
        process = subprocess.Popen(command, cwd=code, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _environment(code: Path) -> dict[str, str]:
    """Python takes the code from this folder, and not from where this program was installed."""
    return os.environ | {"PYTHONPATH": str(code)}


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def _newcomer(http: httpx.AsyncClient, username: str, url: str, folder: Path) -> str:
    """A token, which the client's commands have as well."""
    who = {"username": username, "password": PASSWORD}
    (await http.post("/register", json=who)).raise_for_status()
    login = (await http.post("/login", json=who)).raise_for_status().json()
    lifetime_s = float(login["expires_in"])
    saved = SavedSession(
        server=url, username=username, token=login["token"], session=login["session"],
        expires_at=time.time() + lifetime_s, lifetime_s=lifetime_s,
    )  # fmt: skip
    SessionFile(folder / "chatterbox", url).save(saved)
    return str(login["token"])


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements; none without the earlier code."""
    plain = Bar("CPU time of a plain message", "× before", most=MOST, least=LEAST)  # noqa: RUF001
    start = Bar("start and end of `chatterbox rooms`, longer by", "ms", most=START_MS, digits=1)
    before = Bar("`chatterbox rooms` before", "ms", digits=1)
    lines = [
        Line(plain, measured.plain_ratio), Line(start, measured.start_ms), Line(before, measured.before_ms),
    ]  # fmt: skip
    return Part("Before encryption", _MADE.format(plan=plan, commit=COMMIT), lines if plan.before else [])


_MADE = (
    "This code and that of commit {commit}, each as one process, in turn (`--before FOLDER`; without it, nothing is "
    "measured). Rounds of {plan.messages:,} messages of 60 characters in a plain room with {plan.members} other "
    "connections; then {plan.starts} runs of the command, of CPU time."
)
