"""Edits, deletions, reactions and pins: what a client holds is what history has, whatever it missed."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from chatterbox.chassis.broker import MemoryBroker
from services.gateway.core import room_changes
from tests.integration.gateway.test_losses import LossyBroker
from tests.support.change_reader import ChangeReader, stored
from tests.support.metrics_parser import figure
from tests.support.server import Server, running
from tests.support.talker import Talker, contents, offsets
from tests.support.waiting import until

MANY: dict[str, Any] = {"sends_per_s": 1e6, "sends_burst": 10**6}


def counted(server: Server, name: str) -> float:
    return figure(server.whole.gateway.metrics.metrics.scrape(), f"chatterbox_gateway_{name}_total")


class TestCommands:
    async def test_edit_is_acknowledged_and_told_to_everyone(self, server: Server) -> None:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
            await ada.send("Are you there?")
            reply = await ada.ask("edit", room="general", offset=1, content="Are you there, Bob?", rev=0)
            assert (reply["type"], reply["room"], reply["offset"], reply["rev"]) == ("changed", "general", 1, 1)
            for talker in (ada, bob):
                change = await talker.push("change")
                assert (change["after"], change["rev"], change["by"], change["did"]) == (0, 1, "ada", "edit")
                assert change["message"]["content"] == "Are you there, Bob?"
                assert change["message"]["at"]["offset"] == 1

    async def test_deleted_message_keeps_its_place_and_loses_its_text(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.send("a secret")
            await ada.send("not one")
            await ada.ask("delete", room="general", offset=1)
            change = await ada.push("change")
            assert (change["message"]["content"], change["message"]["deleted"]) == ("", True)
            page = await ada.ask("history", room="general")
            assert (contents(page["messages"]), page["rev"]) == (["", "not one"], 1)

    async def test_reactions_and_pins_are_told_with_the_whole_message(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.send("hello")
            await ada.ask("react", room="general", offset=1, emoji="👍")
            await ada.ask("pin", room="general", offset=1)
            reacted, pinned = await ada.push("change"), await ada.push("change")
            assert (reacted["did"], reacted["what"]) == ("react", "👍")
            assert pinned["message"]["reactions"] == [{"emoji": "👍", "n": 1, "by": ["ada"]}]
            assert (pinned["message"]["pinned"], pinned["message"]["content"]) == (True, "hello")
            page = await ada.ask("history", room="general", pinned=True)
            assert offsets(page["messages"]) == [1]

    async def test_reply_is_in_the_thread_of_its_root_and_its_ack_says_so(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.send("Which engine?")
            await ada.send("something else")
            sent = await ada.send("@ada: this one", reply_to=1)
            assert (sent["thread"], sent["mentions"]) == (1, ["ada"])
            assert [(await ada.messages(1))[0].get("reply_to") for _ in range(3)] == [None, None, 1]
            change = await ada.push("change")
            assert (change["message"]["replies"], change["did"]) == (1, "reply")
            page = await ada.ask("history", room="general", thread=1)
            assert offsets(page["messages"])[-1] == 3

    async def test_page_around_an_offset_says_whether_there_is_more(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            for number in range(1, 10):
                await ada.send(f"m{number}")
            page = await ada.ask("history", room="general", around=5, limit=3)
            assert 5 in offsets(page["messages"])
            assert len(page["messages"]) == 3
            assert page["more"]

    async def test_changes_are_read_by_rev_in_pages(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            for number in range(1, 4):
                await ada.send(f"m{number}")
            for rev, offset in enumerate((1, 2, 3, 1), 1):
                await ada.ask("edit", room="general", offset=offset, content=f"as of {rev}")
                await ada.push("change")
            page = await ada.ask("changes", room="general", after=0, limit=1)
            assert (page["through"], page["more"], page["changes"][0]["message"]["content"]) == (2, True, "as of 2")
            page = await ada.ask("changes", room="general", after=2, first=1)
            assert [each["message"]["content"] for each in page["changes"]] == ["as of 3", "as of 4"]
            page = await ada.ask("changes", room="general", after=1, first=2)
            assert [each["message"]["content"] for each in page["changes"]] == ["as of 2", "as of 3"]
            assert (page["through"], page["more"]) == (4, False)

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ({"kind": "edit", "offset": 2, "content": "not mine"}, "not_yours"),
            ({"kind": "edit", "offset": 1, "content": ""}, "content_empty"),
            ({"kind": "delete", "offset": 2}, "not_allowed"),
            ({"kind": "react", "offset": 9, "emoji": "👍"}, "message_unknown"),
            ({"kind": "react", "offset": 1, "emoji": "no emoji"}, "reaction_invalid"),
            ({"kind": "edit", "offset": 1, "content": "x", "room": "secret"}, "room_unknown"),
        ],
    )
    async def test_change_that_is_not_allowed_is_refused(
        self, server: Server, command: dict[str, Any], code: str
    ) -> None:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
            await ada.send("from ada")
            await bob.send("from bob")
            reply = await ada.ask(**{"room": "general", **command})
            assert (reply["type"], reply.get("code")) == ("error", code)

    async def test_edit_of_a_message_that_changed_meanwhile_is_refused(self, server: Server) -> None:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.send("hello")
            await ada.ask("edit", room="general", offset=1, content="hello, bob", rev=0)
            reply = await ada.ask("edit", room="general", offset=1, content="hello, eve", rev=0)
            assert reply["code"] == "changed_meanwhile"

    async def test_changes_count_as_messages_of_their_sender(self, tmp_path: Path) -> None:
        async with running(tmp_path, sends_per_s=0.001, sends_burst=3) as server:
            async with server.talker(await server.newcomer("ada")) as ada:
                await ada.send("hello")
                await ada.ask("react", room="general", offset=1, emoji="👍")
                await ada.ask("edit", room="general", offset=1, content="hello again")
                assert (await ada.ask("delete", room="general", offset=1))["code"] == "rate_limited"

    async def test_change_sent_right_after_a_message_is_made_after_it(self, server: Server) -> None:
        """Both are in the queue at once; in one transaction the change would come first."""
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.say({"type": "send", "id": 1001, "content": "hello"})
            await ada.say({"type": "edit", "id": 1002, "room": "general", "offset": 1, "content": "hello again"})
            assert (await ada.first(id=1002))["type"] == "changed"


class TestComingBack:
    async def test_client_is_told_what_changed_of_what_it_holds(self, server: Server) -> None:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        reader = ChangeReader()
        async with server.talker(ada_token) as ada:
            async with server.talker(bob_token) as bob:
                reader.welcome(bob.welcome)
                for number in range(1, 4):
                    await ada.send(f"m{number}")
                await reader.read(bob, offset=3, rev=0)
            for offset, content in ((1, "edited"), (2, "edited 2"), (1, "edited 1")):
                await ada.ask("edit", room="general", offset=offset, content=content)
            await ada.send("m4")
            await ada.ask("edit", room="general", offset=4, content="edited 4")
            del reader.held[1]
            async with server.talker(bob_token, how="frame", resume=reader.resume) as bob:
                state = bob.welcome["rooms"][0]
                assert (state["at"]["offset"], state["head"], state.get("rev", 0)) == (3, 4, 0)
                pushes = [await bob.next() for _ in range(3)]
                assert [push["type"] for push in pushes] == ["message", "change", "change"]
                assert pushes[0]["content"] == "edited 4"
                assert (pushes[1]["message"]["content"], pushes[1]["after"], pushes[1]["rev"]) == ("edited 2", 0, 2)
                assert pushes[2] == {"type": "change", "room": "general", "rev": 4, "after": 2}
                await ada.ask("react", room="general", offset=3, emoji="👍")
                live = await bob.push("change")
                assert (live["after"], live["rev"], live["by"]) == (4, 5, "ada")

    async def test_client_that_knows_no_changes_gets_messages_as_they_are_and_keeps_its_place(
        self, server: Server
    ) -> None:
        """One of an earlier version: it gives no rev, and passes over types that it does not know."""
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        async with server.talker(ada_token) as ada:
            at = (await ada.send("m1"))["at"]
            await ada.send("m2")
            for offset in (1, 2):
                await ada.ask("edit", room="general", offset=offset, content=f"edited {offset}")
            async with server.talker(bob_token, how="frame", resume={"general": at}) as bob:
                assert contents(await bob.messages(1)) == ["edited 2"]
                await ada.ask("react", room="general", offset=1, emoji="👍")
                await ada.send("m3")
                assert (await bob.push("change"))["after"] == 2
                assert contents(await bob.messages(1)) == ["m3"]
                assert not bob.inbox

    async def test_changes_older_than_memory_are_read_in_pages(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room_changes, "KEPT_CHANGES", 5)
        async with running(tmp_path, recent_messages=10, **MANY) as server:
            ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
            reader = ChangeReader()
            async with server.talker(ada_token) as ada:
                async with server.talker(bob_token) as bob:
                    reader.welcome(bob.welcome)
                    await ada.send_many(range(1, 501))
                    await reader.read(bob, offset=500, rev=0)
                await asyncio.gather(*(ada.say(reaction(offset)) for offset in range(1, 501)))
                await ada.send_many(range(501, 541))
                await until(lambda: counted(server, "acks") == 1040, 20)
                async with server.talker(bob_token, how="frame", resume=reader.resume) as bob:
                    await reader.read(bob, offset=540, rev=500)
                    assert reader.held == await stored(bob)
            assert counted(server, "catch_up_pages") >= 4

    async def test_resume_beyond_the_gateways_own_rev_succeeds(self, tmp_path: Path) -> None:
        """The client was on another gateway, which received what this one missed."""
        broker = LossyBroker(0)
        async with running(tmp_path, broker=broker, heads_interval_s=1000) as server:
            token = await server.newcomer("ada")
            async with server.talker(token) as ada:
                broker.deaf = True
                at = (await ada.send("m1"))["at"]
                for number in range(3):
                    await ada.ask("edit", room="general", offset=1, content=f"edited {number}")
                held = {**at, "rev": 2, "first": 1}
                async with server.talker(token, how="frame", resume={"general": held}) as again:
                    state = again.welcome["rooms"][0]
                    assert (state["at"], state["rev"], state.get("reset", False)) == (at, 2, False)
                    change = await again.push("change")
                    assert (change["after"], change["rev"], change["message"]["content"]) == (2, 3, "edited 2")
                for unknown in ({**at, "rev": 99}, {**at, "epoch": "other", "rev": 1}):
                    async with server.talker(token, how="frame", resume={"general": unknown}) as again:
                        state = again.welcome["rooms"][0]
                        assert (state["reset"], state["at"], state["rev"]) == (True, at, 3)

    async def test_join_reply_has_the_rev_and_pushes_follow_it(self, server: Server) -> None:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
            await ada.ask("create", room="tea")
            await ada.send("m1", room="tea")
            assert "rev" not in await bob.ask("join", room="tea")
            await bob.ask("leave", room="tea")
            await ada.ask("edit", room="tea", offset=1, content="edited")
            joined = await bob.ask("join", room="tea")
            assert (joined["rev"], contents(joined["messages"])) == (1, ["edited"])
            await ada.ask("edit", room="tea", offset=1, content="edited again")
            assert (await bob.push("change"))["after"] == 1


def reaction(offset: int) -> dict[str, Any]:
    return {"type": "react", "id": 10_000 + offset, "room": "general", "offset": offset, "emoji": "👍"}


class TestLosses:
    @pytest.mark.parametrize("seed", range(4))
    async def test_every_client_holds_what_history_has_whatever_the_broker_loses(
        self, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Readers come and go in the middle of edits, deletions and reactions."""
        monkeypatch.setattr(room_changes, "KEPT_CHANGES", 4)
        rng = random.Random(seed)
        broker = LossyBroker(seed)
        async with running(tmp_path, broker=broker, recent_messages=5, heads_interval_s=0.1, **MANY) as server:
            ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
            readers = [ChangeReader() for _ in range(3)]
            async with server.talker(ada_token) as ada:
                for round_number in range(6):
                    async with AsyncExitStack() as stack:
                        talkers = [await come_back(stack, server, bob_token, reader) for reader in readers]
                        await say_much(ada, rng, 25)
                        for reader, talker in zip(readers, talkers, strict=True):
                            for _ in range(rng.randrange(4)):
                                reader.take(await talker.next())
                            if round_number % 2:
                                talker.cut()
                            for offset in sorted(reader.held)[: -rng.choice((2, 5, 99))]:
                                del reader.held[offset]
                broker.deaf = False
                now = await stored(ada)
                rev = max(message.get("rev", 0) for message in now.values())
                async with AsyncExitStack() as stack:
                    for reader in readers:
                        talker = await come_back(stack, server, bob_token, reader)
                        await reader.read(talker, offset=max(now), rev=rev)
                        assert reader.held == {offset: now[offset] for offset in reader.held}
                        assert await stored(talker) == now

    async def test_lost_last_change_is_found_by_comparing_heads(self, tmp_path: Path) -> None:
        broker = LossyBroker(0)
        async with running(tmp_path, broker=broker, heads_interval_s=0.2) as server:
            async with server.talker(await server.newcomer("ada")) as ada:
                await ada.send("hello")
                broker.deaf = True
                await ada.ask("edit", room="general", offset=1, content="only history knows")
                change = await ada.push("change")
                assert (change["after"], change["rev"], "by" in change) == (0, 1, False)
                assert change["message"]["content"] == "only history knows"
            assert counted(server, "gap_changes_filled") == 1
            assert counted(server, "change_gaps_found") == 1


async def come_back(stack: AsyncExitStack, server: Server, token: str, reader: ChangeReader) -> Talker:
    talker = await stack.enter_async_context(server.talker(token, how="frame", resume=reader.resume))
    reader.welcome(talker.welcome)
    return talker


async def say_much(ada: Talker, rng: random.Random, count: int) -> None:
    """Send, edit, react and delete at random; most of it happens to the newest messages."""
    head = len(await stored(ada))
    for number in range(count):
        offset = max(1, head - int(rng.expovariate(0.4)))
        kind = rng.choice(("send", "send", "edit", "react", "react", "delete")) if head else "send"
        match kind:
            case "send":
                head = (await ada.send(f"m{number}"))["at"]["offset"]
            case "edit":
                await ada.ask("edit", room="general", offset=offset, content=f"edited {rng.random()}")
            case "react":
                await ada.ask("react", room="general", offset=offset, emoji=rng.choice("👍🎉🚀👀"))
            case "delete" if rng.random() < 0.5:
                await ada.ask("delete", room="general", offset=offset)


async def test_gateway_without_a_broker_tells_changes(tmp_path: Path) -> None:
    class MuteBroker(MemoryBroker):
        async def publish(self, items: Any) -> None:
            return

    async with running(tmp_path, broker=MuteBroker(), heads_interval_s=0.2) as server:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.send("hello")
            await ada.ask("react", room="general", offset=1, emoji="👍")
            assert (await ada.push("change"))["message"]["reactions"][0]["n"] == 1
