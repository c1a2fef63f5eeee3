"""Encrypted messages over sockets, with real keys: what reaches which device, and what the gateway makes up for."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.wire.broker_events import SIGNALS
from tests.support.encrypted_talker import EncryptedTalker, list_devices, set_up, upload
from tests.support.metrics_parser import figure
from tests.support.olm_device import OlmDevice
from tests.support.server import Server, running
from tests.support.talker import DEADLINE_S
from tests.support.waiting import proves_absence, until

ROOM = "@ada~bob"
ADA_DEVICE, BOB_DEVICE, BOB_PHONE = "ADADEVICE2", "BOBDEVICE2", "BOBPHONE22"


class Pair(NamedTuple):
    """Ada and Bob with a device each, both with their inbox open, in a conversation."""

    server: Server
    ada: EncryptedTalker
    bob: EncryptedTalker
    ada_token: str
    bob_token: str
    uid: str

    async def tell(self, text: str) -> dict[str, Any]:
        """Ada shares her keys as needed, and sends a text."""
        version = await self.ada.share(ROOM, self.uid)
        return await self.ada.send(ROOM, self.uid, text, version)


async def begin(stack: AsyncExitStack, server: Server) -> Pair:
    ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    talkers = []
    for token, device_id in ((ada_token, ADA_DEVICE), (bob_token, BOB_DEVICE)):
        device = await set_up(server, token, device_id)
        talker = EncryptedTalker(await stack.enter_async_context(server.talker(token)), device)
        assert (await talker.open_inbox())["type"] == "inbox"
        talkers.append(talker)
    ada, bob = talkers
    opened = await ada.talker.ask("direct", username="bob", encrypted=True)
    await bob.talker.push("membership", room=ROOM)
    return Pair(server, ada, bob, ada_token, bob_token, opened["uid"])


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        yield await begin(stack, await stack.enter_async_context(running(tmp_path, encryption="allowed")))


async def add_phone(pair: Pair) -> tuple[str, OlmDevice]:
    """Bob logs in on a phone, whose keys are uploaded, and lists it; returns its token as well."""
    token = await pair.server.login("bob")
    phone = OlmDevice(pair.bob.device.user, BOB_PHONE)
    await upload(pair.server, token, phone)
    await list_devices(pair.server, pair.bob_token, phone.user, pair.bob.device, phone)
    return token, phone


class TestMessages:
    async def test_the_key_arrives_before_the_first_message_and_both_read_it(self, pair: Pair) -> None:
        sent = await pair.tell("hello")
        assert sent["type"] == "sent"
        assert [frame["type"] for frame in pair.bob.talker.inbox] == []
        payload = await pair.bob.take_keys(pair.ada.device)
        assert payload["type"] == "m.room_key"
        assert await pair.bob.read(ROOM) == await pair.ada.read(ROOM) == "hello"

    async def test_an_answer_goes_the_other_way_by_the_same_olm_session_or_another(self, pair: Pair) -> None:
        await pair.tell("hello")
        await pair.bob.take_keys(pair.ada.device)
        version = await pair.bob.share(ROOM, pair.uid)
        await pair.bob.send(ROOM, pair.uid, "hi", version)
        await pair.ada.take_keys(pair.bob.device)
        assert [await pair.ada.read(ROOM) for _ in range(2)] == ["hello", "hi"]

    async def test_an_edit_replaces_the_envelope_and_a_reaction_is_one_envelope_of_its_user(self, pair: Pair) -> None:
        await pair.tell("hello")
        await pair.bob.take_keys(pair.ada.device)
        version = await pair.ada.share(ROOM, pair.uid)
        assert pair.ada.session is not None
        content = pair.ada.session.encrypt(pair.uid, "hello, Bob")
        where = {"room": ROOM, "offset": 1, "recipients": version}
        edited = await pair.ada.talker.ask("edit", content=content, **where)
        assert edited["type"] == "changed", edited
        change = await pair.bob.talker.push("change")
        assert pair.bob.device.read(change["message"]["content"])["content"]["b"] == "hello, Bob"
        reaction = pair.ada.session.encrypt(pair.uid, "👍")
        assert (await pair.ada.talker.ask("react", envelope=reaction, **where))["type"] == "changed"
        change = await pair.bob.talker.push("change")
        (shown,) = change["message"]["reactions"]
        assert (shown["by"], shown["envelope"]) == (["ada"], reaction)
        assert (await pair.ada.talker.ask("react", room=ROOM, offset=1, remove=True))["type"] == "changed"
        assert "reactions" not in (await pair.bob.talker.push("change"))["message"]

    async def test_the_same_bytes_under_the_same_key_get_the_same_ack(self, pair: Pair) -> None:
        version = await pair.ada.share(ROOM, pair.uid)
        assert pair.ada.session is not None
        content = pair.ada.session.encrypt(pair.uid, "hello")
        again = {"room": ROOM, "content": content, "recipients": version, "key": "one"}
        first = await pair.ada.talker.ask("send", **again)
        await add_phone(pair)
        second = await pair.ada.talker.ask("send", **again)
        assert (first["type"], first["at"]) == ("sent", second["at"])


class TestRecipients:
    async def test_a_new_device_makes_messages_stale_until_it_has_the_keys(self, pair: Pair) -> None:
        await pair.tell("one")
        token, phone = await add_phone(pair)
        told = await pair.ada.talker.push("device_list")
        assert told == {"type": "device_list", "username": "bob", "version": 2}
        changed = await pair.ada.talker.push("recipients_changed")
        assert changed == {"type": "recipients_changed", "room": ROOM, "recipients": changed["recipients"]}
        refused = await pair.ada.send(ROOM, pair.uid, "two", changed["recipients"] - 1)
        assert refused["code"] == "recipients_stale"
        refused = await pair.ada.send(ROOM, pair.uid, "two", changed["recipients"])
        assert refused["code"] == "recipients_stale"
        assert (await pair.tell("two"))["type"] == "sent"
        async with pair.server.talker(token) as talker:
            late = EncryptedTalker(talker, phone)
            await late.open_inbox()
            await late.take_keys(pair.ada.device)
            page = await talker.ask("history", room=ROOM, after=1)
            assert phone.read(page["messages"][0]["content"])["content"]["b"] == "two"

    async def test_a_pending_device_is_shown_to_its_owner_and_gets_nothing(self, pair: Pair) -> None:
        token = await pair.server.login("bob")
        await upload(pair.server, token, OlmDevice(pair.bob.device.user, BOB_PHONE))
        pending = await pair.bob.talker.push("device_pending")
        assert pending["device"] == BOB_PHONE
        await pair.tell("hello")
        async with pair.server.talker(token) as talker:
            opened = await talker.ask("inbox", device=BOB_PHONE)
            assert opened["head"] == 0
        assert not any(frame["type"] == "device_pending" for frame in pair.ada.talker.inbox)

    async def test_connections_without_an_inbox_are_told_nothing_of_devices(self, pair: Pair) -> None:
        async with pair.server.talker(pair.ada_token) as plain:
            await add_phone(pair)
            await pair.ada.talker.push("recipients_changed")
            await pair.tell("hello")
            await plain.push("message", room=ROOM)
            assert not {"device_list", "recipients_changed", "to_device"} & {frame["type"] for frame in plain.inbox}

    async def test_keys_of_users_that_are_known_are_left_out(self, pair: Pair) -> None:
        every = await pair.ada.talker.ask("recipients", room=ROOM)
        assert sorted(user["username"] for user in every["lists"]) == ["ada", "bob"]
        known = await pair.ada.talker.ask("recipients", room=ROOM, known={"ada": 1, "bob": 1})
        assert known["lists"] == []
        assert sorted(known["devices"]) == [["ada", ADA_DEVICE], ["bob", BOB_DEVICE]]


class TestInboxes:
    async def test_messages_wait_until_they_are_taken_however_often_they_are_pushed(self, pair: Pair) -> None:
        await pair.tell("hello")
        first = await pair.bob.talker.push("to_device")
        for _ in range(2):
            async with pair.server.talker(pair.bob_token) as other:
                opened = await other.ask("inbox", device=BOB_DEVICE)
                assert (opened["at"]["offset"], opened["head"]) == (0, 1)
                assert await other.push("to_device") == first
        taken = await pair.bob.talker.ask("taken", device=BOB_DEVICE, upto=1)
        assert (taken["type"], taken["upto"]) == ("taken", 1)
        async with pair.server.talker(pair.bob_token) as other:
            opened = await other.ask("inbox", device=BOB_DEVICE)
            assert (opened["at"]["offset"], opened["head"]) == (1, 1)

    async def test_a_device_that_was_away_finds_the_keys_in_its_inbox(self, pair: Pair) -> None:
        await pair.bob.talker.socket.close()
        await pair.tell("hello")
        async with pair.server.talker(pair.bob_token) as talker:
            back = EncryptedTalker(talker, pair.bob.device)
            await back.open_inbox()
            await back.take_keys(pair.ada.device)
            page = await talker.ask("history", room=ROOM, after=0)
            assert back.device.read(page["messages"][0]["content"])["content"]["b"] == "hello"

    async def test_pushes_go_on_after_the_position_that_the_device_names(self, pair: Pair) -> None:
        await pair.tell("hello")
        at = (await pair.bob.talker.push("to_device"))["at"]
        async with pair.server.talker(pair.bob_token) as other:
            opened = await other.ask("inbox", device=BOB_DEVICE, after=at)
            assert (opened["at"], opened.get("reset", False)) == (at, False)
            await proves_absence(0.2)
            assert (await other.ask("ping"))["type"] == "pong"
            assert not any(frame["type"] == "to_device" for frame in other.inbox)

    async def test_a_device_can_not_be_used_in_another_session_of_its_user(self, pair: Pair) -> None:
        async with pair.server.talker(await pair.server.login("bob")) as other:
            assert (await other.ask("inbox", device=BOB_DEVICE))["code"] == "device_unbound"
            assert (await other.ask("taken", device=BOB_DEVICE, upto=1))["code"] == "device_unbound"
        assert (await pair.ada.talker.ask("inbox", device=BOB_DEVICE))["code"] == "device_unknown"

    async def test_several_devices_of_a_user_have_inboxes_of_their_own(self, pair: Pair) -> None:
        token, phone = await add_phone(pair)
        async with pair.server.talker(token) as talker:
            mobile = EncryptedTalker(talker, phone)
            await mobile.open_inbox()
            await pair.tell("hello")
            for each in (pair.bob, mobile):
                await each.take_keys(pair.ada.device)
                assert await each.read(ROOM) == "hello"
            assert not any(frame["type"] == "to_device" for frame in talker.inbox)


class DeafBroker(MemoryBroker):
    """Loses every signal while `deaf`."""

    deaf = False

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await super().publish([item for item in items if not self.deaf or item[0] != SIGNALS])


async def test_a_lost_signal_only_delays_keys(tmp_path: Path) -> None:
    broker = DeafBroker()
    async with AsyncExitStack() as stack:
        site = running(tmp_path, broker=broker, heads_interval_s=0.3, encryption="allowed")
        pair = await begin(stack, await stack.enter_async_context(site))
        broker.deaf = True
        await pair.tell("hello")
        await pair.bob.take_keys(pair.ada.device)
        assert await pair.bob.read(ROOM) == "hello"


async def test_a_slow_reader_gets_no_more_than_its_socket_takes_and_loses_nothing(tmp_path: Path) -> None:
    count, body = 420, "A" * 4000
    async with running(tmp_path, encryption="allowed") as server, AsyncExitStack() as stack:
        pair = await begin(stack, server)
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", server.port))
        slow = await stack.enter_async_context(server.talker(pair.bob_token, sock=narrow, max_queue=1))
        assert (await slow.ask("inbox", device=BOB_DEVICE))["type"] == "inbox"
        to = [pair.bob.device.address]
        for first in range(1, count, 14):
            messages = [{"to": to[0], "n": n, "kind": "olm", "body": body} for n in range(first, first + 14)]
            sent = await pair.ada.talker.ask("to_device", device=ADA_DEVICE, messages=messages)
            assert sent["type"] == "delivered", sent
        assert [(await pair.bob.talker.push("to_device"))["n"] for _ in range(count)] == list(range(1, count + 1))
        full = [each for each in server.whole.gateway.hub.connections if each.is_full]
        assert len(full) == 1
        assert full[0].socket.unsent_bytes < 262_144
        assert [(await slow.push("to_device"))["n"] for _ in range(count)] == list(range(1, count + 1))
        scraped = server.whole.gateway.metrics.metrics.scrape()
        assert figure(scraped, "chatterbox_gateway_to_device_pushed_total") == 2 * count


async def test_an_inbox_is_forgotten_with_its_connection_and_its_session(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path, encryption="allowed"))
        pair = await begin(stack, server)

        def inboxes() -> float:
            return figure(server.whole.gateway.metrics.metrics.scrape(), "chatterbox_gateway_inboxes_open")

        assert inboxes() == 2
        await pair.ada.talker.socket.close()
        await until(lambda: inboxes() == 1, DEADLINE_S)
        await server.http.post("/logout", headers={"Authorization": f"Bearer {pair.bob_token}"})
        await until(lambda: inboxes() == 0, DEADLINE_S)
