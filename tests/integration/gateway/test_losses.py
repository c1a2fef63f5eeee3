"""Pub/sub loses, duplicates and reorders payloads; connections notice none of it."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatterbox.chassis.broker import MemoryBroker
from tests.support.server import running
from tests.support.talker import offsets

MANY: dict[str, Any] = {"sends_per_s": 1e6, "sends_burst": 10**6}


class LossyBroker(MemoryBroker):
    """Drops, duplicates and reorders room payloads at random, from a seed; `deaf` drops them all."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._kept: list[tuple[str, bytes]] = []
        self.deaf = False

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        for item in items:
            if ":room:" not in item[0]:
                await super().publish([item])
            elif not self.deaf:
                await self._disturb(item)

    async def _disturb(self, item: tuple[str, bytes]) -> None:
        match self._random.randrange(5):
            case 0:
                return
            case 1:
                self._kept.append(item)
            case 2:
                await super().publish([item, item, *self._kept])
                self._kept.clear()
            case _:
                await super().publish([item])


@pytest.mark.parametrize("seed", range(5))
async def test_lost_duplicate_and_late_payloads_cause_no_gap_and_no_duplicate(tmp_path: Path, seed: int) -> None:
    async with running(tmp_path, broker=LossyBroker(seed), heads_interval_s=0.2, **MANY) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            for number in range(100):
                await alice.send(f"m{number}")
            assert offsets(await alice.messages(100)) == list(range(1, 101))


async def test_lost_last_message_is_found_by_comparing_heads(tmp_path: Path) -> None:
    broker = LossyBroker(0)
    async with running(tmp_path, broker=broker, heads_interval_s=0.2) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            broker.deaf = True
            await alice.send("only history knows")
            assert (await alice.push("message"))["content"] == "only history knows"


async def test_lost_membership_changes_are_found_by_comparing_revisions(tmp_path: Path) -> None:
    class MuteBroker(MemoryBroker):
        async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
            return

    async with running(tmp_path, broker=MuteBroker(), heads_interval_s=0.2) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
            await alice.ask("create", room="ops")
            await alice.ask("invite", room="ops", username="bob")
            assert (await bob.push("invitation"))["room"] == "ops"
            assert (await bob.ask("join", room="ops"))["type"] == "joined"
            await alice.send("hello", room="ops")
            assert offsets(await bob.messages(1, "ops")) == [1]


async def test_resume_beyond_the_gateways_own_head_succeeds(tmp_path: Path) -> None:
    """The client was on another gateway, which received what this one missed."""
    broker = LossyBroker(0)
    async with running(tmp_path, broker=broker, heads_interval_s=1000) as server:
        token = await server.newcomer("alice")
        async with server.talker(token) as alice:
            broker.deaf = True
            held = [(await alice.send(f"m{number}"))["at"] for number in range(3)]
            async with server.talker(token, how="frame", resume={"general": held[1]}) as again:
                state = again.welcome["rooms"][0]
                assert (state["at"], state["head"], state.get("reset", False)) == (held[1], 3, False)
                assert offsets(await again.messages(1)) == [3]
            last = (await alice.send("m3"))["at"]
            joined = await alice.ask("join", room="general", since=last)
            assert (joined["at"], joined["messages"], joined["reset"]) == (last, [], False)


GARBAGE = (b"", b"\xff", b"epoch", b"e 1", b"e 1\n", b"e " + b"9" * 5000 + b"\n{}", b"{}", b"[" * 100_000, b"9" * 5000)


class GarbageBroker(MemoryBroker):
    """Delivers garbage on every channel before each payload."""

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        for channel, payload in items:
            await super().publish([*((channel, garbage) for garbage in GARBAGE), (channel, payload)])


async def test_undecodable_payloads_are_skipped(tmp_path: Path) -> None:
    async with running(tmp_path, broker=GarbageBroker(), **MANY) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            await alice.ask("create", room="ops")
            for number in range(3):
                await alice.send(f"m{number}")
            assert offsets(await alice.messages(3)) == [1, 2, 3]
