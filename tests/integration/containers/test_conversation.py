"""Conversations through the edge over several gateways, in containers."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.integration.containers.conftest import GATEWAYS
from tests.support.stack import Stack
from tests.support.talker import Talker, contents


def gateway_of(talker: Talker) -> str:
    """The container that serves a connection: the welcome's `server` ends with its name and port."""
    return str(talker.welcome["server"]).split()[-1].removesuffix(":8000")


async def on_each_gateway(stack: Stack, clients: AsyncExitStack, token: str) -> list[Talker]:
    """Connections of one user, one on each gateway."""
    met: dict[str, Talker] = {}
    for _ in range(8):
        talker = await clients.enter_async_context(stack.talker(token))
        met.setdefault(gateway_of(talker), talker)
        if len(met) == GATEWAYS:
            break
    return list(met.values())


async def test_the_edge_spreads_connections_over_all_gateways(stack: Stack) -> None:
    token = stack.newcomer("spread")
    async with AsyncExitStack() as clients:
        opened = [await clients.enter_async_context(stack.talker(token)) for _ in range(8)]
        met = Counter(map(gateway_of, opened))
    assert met == dict.fromkeys((each[:12] for each in stack.containers("gateway")), 4)


@pytest.mark.timing
async def test_a_message_sent_to_one_gateway_is_delivered_by_the_other_at_once(stack: Stack) -> None:
    ada, bob = stack.newcomer("ada"), stack.newcomer("bob")
    async with AsyncExitStack() as clients:
        hers = await on_each_gateway(stack, clients, ada)
        his = await on_each_gateway(stack, clients, bob)
        assert len(hers) == len(his) == GATEWAYS
        began = time.monotonic()
        for number, talker in enumerate(hers):
            assert (await talker.send(f"from {number}"))["type"] == "sent"
        for talker in (*hers, *his):
            assert contents(await talker.messages(GATEWAYS)) == [f"from {number}" for number in range(GATEWAYS)]
        assert time.monotonic() - began < 2, "that was not the broker, but the comparison of heads"
    page = stack.http.get("/messages", params={"limit": 2}, headers={"Authorization": f"Bearer {bob}"})
    assert {message["content"] for message in page.json()} == {"from 0", "from 1"}


@pytest.mark.timing
async def test_logout_closes_the_sockets_on_every_gateway_within_a_second(stack: Stack) -> None:
    token = stack.newcomer("leaver")
    async with AsyncExitStack() as clients:
        sockets = await on_each_gateway(stack, clients, token)
        assert stack.http.post("/logout", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        async with asyncio.timeout(1):
            codes = [await talker.closed() for talker in sockets]
    assert all(code >= 4500 for code in codes)


async def test_messages_and_sessions_survive_recreated_containers(stack: Stack) -> None:
    token = stack.newcomer("keeper")
    async with stack.talker(token) as keeper:
        kept = await keeper.send("worth keeping")
    stack.run("down", "--timeout", "10")
    stack.up(GATEWAYS)
    page = stack.http.get("/messages", params={"limit": 1}, headers={"Authorization": f"Bearer {token}"})
    assert [message["content"] for message in page.json()] == ["worth keeping"]
    async with stack.talker(token) as keeper:
        assert keeper.positions["general"] == kept["at"]
