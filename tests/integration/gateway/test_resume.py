"""After any disconnect a client gets everything it missed, once and in order."""

import asyncio
from pathlib import Path

from tests.support.server import Server, running
from tests.support.talker import contents, offsets


async def test_three_hundred_missed_messages_are_delivered_once_and_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, sends_per_s=100_000, sends_burst=100_000) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            async with server.talker(bob_token) as bob:
                await alice.send_many(range(1, 6))
                at = (await bob.messages(5))[-1]["at"]
                bob.cut()
            await alice.send_many(range(6, 306))
            async with server.talker(bob_token, how="frame", resume={"general": at}) as bob:
                state = bob.welcome["rooms"][0]
                assert (state["at"], state["head"]) == (at, 305)
                assert offsets(await bob.messages(300)) == list(range(6, 306))
                await alice.send_many(range(306, 307))
                assert offsets(await bob.messages(1)) == [306]


async def test_resume_reads_messages_older_than_memory_from_history(tmp_path: Path) -> None:
    async with running(tmp_path, sends_per_s=1e6, sends_burst=10**6, recent_messages=10) as server:
        token = await server.newcomer("alice")
        async with server.talker(token) as alice:
            await alice.send_many(range(1, 1001))
            epoch = (await alice.messages(1))[0]["at"]["epoch"]
        at = {"epoch": epoch, "offset": 0}
        async with server.talker(token, how="frame", resume={"general": at}) as alice:
            assert offsets(await alice.messages(1000)) == list(range(1, 1001))


async def test_messages_sent_during_catch_up_follow_without_gap_or_duplicate(tmp_path: Path) -> None:
    async with running(tmp_path, sends_per_s=1e6, sends_burst=10**6, recent_messages=10) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            await alice.send_many(range(1, 1001))
            epoch = (await alice.messages(1))[0]["at"]["epoch"]
            resume = {"general": {"epoch": epoch, "offset": 0}}
            async with server.talker(bob_token, how="frame", resume=resume) as bob:
                sending = asyncio.create_task(alice.send_many(range(1001, 1501)))
                assert offsets(await bob.messages(1500)) == list(range(1, 1501))
                await sending


async def test_resume_from_an_unknown_position_is_reported_as_a_reset(server: Server) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token) as alice:
        await alice.send("m1")
    for held in ({"epoch": "ffffffff", "offset": 1}, {"epoch": alice.positions["general"]["epoch"], "offset": 99}):
        async with server.talker(token, how="frame", resume={"general": held}) as alice:
            state = alice.welcome["rooms"][0]
            assert state["reset"]
            assert state["at"]["offset"] == state["head"] == 1


async def test_resume_works_across_a_server_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        async with server.talker(token) as alice:
            held = (await alice.send("m1"))["at"]
            await alice.send("m2")
    async with running(tmp_path) as server, server.talker(token, how="frame", resume={"general": held}) as alice:
        assert contents(await alice.messages(1)) == ["m2"]


async def test_pages_by_position_are_stable_while_messages_arrive(server: Server) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token) as alice:
        for number in range(4):
            await alice.send(f"m{number}")
        headers = {"Authorization": f"Bearer {token}"}
        newest = (await server.http.get("/messages", params={"limit": 2}, headers=headers)).json()
        await alice.send("m4")
        older = await server.http.get("/messages", params={"limit": 2, "before": newest[-1]["offset"]}, headers=headers)
        assert contents(newest) == ["m3", "m2"]
        assert contents(older.json()) == ["m1", "m0"]
