"""kill -9 and power loss under load: no acked message is lost, and none is stored twice.

Each round starts the server, lets clients send as fast as they can, and kills it at a random moment. Messages without
an ack are sent again with the same key in the next round. In the end every acked message must be stored at the position
in its ack. With a protection removed, the same test must find losses.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.loopback import NO_TLS
from tests.support.preload_library import built
from tests.support.process import ALLINONE, Process, process
from tests.support.talker import Talker

pytestmark = pytest.mark.chaos

PEOPLE = 4
ROUNDS = int(os.environ.get("CHATTERBOX_CHAOS_ROUNDS", "6"))
FLOOD = {"CHATTERBOX_SENDS_PER_S": "1000000", "CHATTERBOX_SENDS_BURST": "1000000"}
NOTHING: dict[str, str] = {}
SLOW_DISK = {"POWERLOSS_SYNC_MS": "20"}
"""So that the power almost always fails between an ack and its commit."""


class Sender:
    """Sends numbered messages, a few at a time, and keeps every ack."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.token = token
        self.acks: dict[str, dict[str, Any]] = {}
        self.unacked: list[str] = []
        self._next = 0

    async def run(self, server: Process) -> None:
        """Send until the connection breaks; resend messages without an ack first, with the same keys."""
        with contextlib.suppress(ConnectionClosed, OSError, InvalidHandshake, TimeoutError):
            async with server.talker(self.token) as talker:
                while True:
                    await self._send_some(talker)
                    talker.inbox.clear()

    async def _send_some(self, talker: Talker) -> None:
        while len(self.unacked) < 8:
            self.unacked.append(f"{self.name}-{self._next}")
            self._next += 1
        ids = dict(enumerate(self.unacked))
        for number, key in ids.items():
            await talker.say({"type": "send", "id": number, "key": key, "content": key})
        for _ in range(len(ids)):
            ack = await talker.push("sent")
            self.acks[ids[ack["id"]]] = ack
            self.unacked.remove(ids[ack["id"]])


async def load_until_killed(server: Process, senders: list[Sender], after_s: float) -> None:
    sending = [asyncio.create_task(sender.run(server)) for sender in senders]
    await asyncio.sleep(after_s)  # varies the moment of the kill
    await server.kill()
    await asyncio.gather(*sending)


async def stored_messages(server: Process, token: str) -> list[dict[str, Any]]:
    """The whole room, read page by page."""
    stored: list[dict[str, Any]] = []
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, verify=NO_TLS) as http:
        while True:
            after = stored[-1]["offset"] if stored else 0
            page = (await http.get("/messages", params={"after": after, "limit": 200})).raise_for_status().json()
            if not page:
                return stored
            stored += page


def violations(stored: list[dict[str, Any]], senders: list[Sender]) -> list[str]:
    """One sentence for each violation."""
    found = {message["content"]: message for message in stored}
    problems = [] if len(found) == len(stored) else [f"{len(stored) - len(found)} stored twice"]
    if [message["offset"] for message in stored] != list(range(1, len(stored) + 1)):
        problems.append("offsets have holes")
    for sender in senders:
        for key, ack in sender.acks.items():
            if key not in found:
                problems.append(f"lost {key}")
            elif found[key]["offset"] != ack["at"]["offset"]:
                problems.append(f"{key} was acked at {ack['at']['offset']}, is at {found[key]['offset']}")
    return problems


async def run_rounds(
    folder: Path,
    rounds: int,
    *,
    shim: Path | None = None,
    until_damaged: bool = False,
    environment: Mapping[str, str] = NOTHING,
    sabotage: str | None = None,
) -> tuple[int, list[str]]:
    """Start, load, kill, `rounds` times; returns the number of acks and the violations."""
    chance = random.Random(rounds)
    data, shadow = folder / "data", folder / "shadow"
    environment = {**FLOOD, **environment}
    program = ALLINONE if sabotage is None else ("tests.support.sabotage", "allinone", sabotage)
    if shim is not None:
        environment |= {"LD_PRELOAD": str(shim), "POWERLOSS_DATA": str(data), "POWERLOSS_SHADOW": str(shadow)}
    senders = await _registered(data)
    problems: list[str] = []
    for _ in range(rounds):
        if shim is not None:
            shutil.copytree(data, shadow, ignore=shutil.ignore_patterns("*.sock"))
        try:
            async with process(data, program, **environment) as server:
                await load_until_killed(server, senders, chance.uniform(0.05, 0.8))
        finally:
            if shim is not None:
                shutil.rmtree(data)
                shadow.rename(data)
        if until_damaged and (problems := await _judge(data, senders)):
            break
    problems = problems or await _judge(data, senders)
    return sum(len(sender.acks) for sender in senders), problems


async def _registered(data: Path) -> list[Sender]:
    async with process(data) as server:
        people = [Sender(f"person{number}", await server.newcomer(f"person{number}")) for number in range(PEOPLE)]
        await server.signal(signal.SIGTERM)
    return people


async def _judge(data: Path, senders: list[Sender]) -> list[str]:
    """Start once more, without faults, and compare history with the acks."""
    try:
        async with process(data) as server:
            problems = violations(await stored_messages(server, senders[0].token), senders)
            await server.signal(signal.SIGTERM)
            return problems
    except (AssertionError, httpx.HTTPError) as problem:
        return [f"does not start: {problem}"]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The power-loss shim, built with the machine's C compiler."""
    shim = built(Path(__file__).with_name("powerloss.c"), tmp_path_factory.mktemp("shim"))
    if shim is None:
        pytest.skip("the power-loss simulation needs Linux and a C compiler")
    return shim


async def test_kill_9_under_load_loses_no_acked_message_and_stores_none_twice(tmp_path: Path) -> None:
    acked, problems = await run_rounds(tmp_path, rounds=ROUNDS)
    assert acked > 100 * ROUNDS / 10
    assert problems == []


async def test_power_loss_under_load_loses_no_acked_message_and_stores_none_twice(tmp_path: Path, shim: Path) -> None:
    acked, problems = await run_rounds(tmp_path, rounds=ROUNDS, shim=shim)
    assert acked > 100 * ROUNDS / 10
    assert problems == []


async def test_power_loss_without_synchronous_full_loses_acked_messages(tmp_path: Path, shim: Path) -> None:
    _, problems = await run_rounds(tmp_path, rounds=ROUNDS, shim=shim, until_damaged=True, sabotage="synchronous_off")
    assert problems


async def test_power_loss_with_acks_before_the_commit_loses_acked_messages(tmp_path: Path, shim: Path) -> None:
    _, problems = await run_rounds(
        tmp_path, ROUNDS, shim=shim, until_damaged=True, environment=SLOW_DISK, sabotage="ack_before_commit"
    )
    assert problems
