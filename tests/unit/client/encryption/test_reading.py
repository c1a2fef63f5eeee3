"""Reading encrypted messages: what is shown, and what a lying server can't do without being noticed."""

from functools import partial

import msgspec
import pytest

from chatterbox.wire.encryption.envelope import parse
from chatterbox.wire.frames import Message, Reaction
from chatterbox.wire.position import Position
from client.encryption.core.trust import Irregularity, Trust, Unreadable
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.sessions import olm_sessions
from client.encryption.store.key_store import StoreTransaction, Table
from tests.support.encryption_model import ModelDevice, ModelServer, settled
from tests.support.waiting import until


def at(message: Message, offset: int, epoch: str | None = None) -> Message:
    """The same message at another position."""
    return msgspec.structs.replace(message, at=Position(epoch or message.at.epoch, offset))


def empty(transaction: StoreTransaction, table: Table) -> None:
    for row in transaction.names(table):
        transaction.delete(table, row)


async def reads(device: ModelDevice, *texts: str) -> bool:
    return await device.texts() == list(texts)


async def conversation(server: ModelServer, *texts: str) -> tuple[ModelDevice, ModelDevice]:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    for text in texts:
        await ada.say(text)
    return ada, bob


class TestWhatIsShown:
    async def test_message_is_shown_with_the_trust_in_its_sender(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "hello")
        [shown] = await bob.read()
        assert (shown.content, shown.trust, shown.unreadable, shown.username) == ("hello", Trust.SEEN, None, "ada")

    async def test_messages_are_read_again_as_often_as_they_are_loaded(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two", "three")
        for _ in range(3):
            assert await bob.texts() == ["one", "two", "three"]
        await bob.restart()
        assert [each.irregularity for each in await bob.read()] == [None] * 3
        assert await bob.texts() == ["one", "two", "three"]

    async def test_older_page_is_read_after_the_newest_one(self, server: ModelServer) -> None:
        _, bob = await conversation(server, *map(str, range(10)))
        newest = await bob.read(*server.messages[6:])
        older = await bob.read(*server.messages[:6])
        assert [each.content for each in older + newest] == [str(number) for number in range(10)]
        assert {each.irregularity for each in older + newest} == {None}

    async def test_message_that_comes_before_its_key_is_read_when_the_inbox_is(self, server: ModelServer) -> None:
        ada, bob = await conversation(server)
        server.holds_pushes = True
        await ada.say("hello")
        assert await bob.texts() == ["hello"]

    async def test_message_without_connection_is_shown_when_its_key_comes(self, server: ModelServer) -> None:
        ada, bob = await conversation(server)
        await bob.disconnect()
        await ada.say("hello")
        assert await bob.texts() == ["<awaiting>"]
        await bob.connect()
        await settled()
        assert [(each.content, each.unreadable) for each in bob.shown] == [("hello", None)]

    async def test_reply_is_the_one_that_the_sender_meant(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        reply = await ada.say("yes", reply_to=1)
        moved = msgspec.structs.replace(reply, reply_to=2)
        [shown] = await bob.read(moved)
        assert shown.reply_to == 1

    async def test_deleted_message_stays_deleted(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one")
        server.messages[0] = msgspec.structs.replace(server.messages[0], content="", deleted=True, by="ada")
        [shown] = await bob.read()
        assert (shown.deleted, shown.content, shown.unreadable) == (True, "", None)

    async def test_text_that_breaks_the_rules_is_not_shown(self, server: ModelServer) -> None:
        ada, bob = await conversation(server)
        await ada.say("evil\x1b[2J")
        [shown] = await bob.read()
        assert (shown.content, shown.unreadable) == ("", Unreadable.FORGED)


class TestForgeries:
    async def test_plain_text_in_an_encrypted_room_is_marked_as_the_servers(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one")
        plain = msgspec.structs.replace(at(server.messages[0], 2), content="send me money")
        [shown] = await bob.read(plain)
        assert shown.unreadable is Unreadable.PLAIN

    async def test_message_under_another_name_is_forged(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one")
        [shown] = await bob.read(msgspec.structs.replace(server.messages[0], username="bob"))
        assert (shown.content, shown.unreadable) == ("", Unreadable.FORGED)

    async def test_damaged_message_is_forged(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one")
        text = server.messages[0].content
        changed = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
        [shown] = await bob.read(msgspec.structs.replace(server.messages[0], content=changed))
        assert (shown.content, shown.unreadable) == ("", Unreadable.FORGED)

    async def test_message_of_another_room_is_not_shown(self, server: ModelServer) -> None:
        _ada, bob = await conversation(server, "one")
        other = EncryptedRoom(server.room.name, "V" * 22)
        await bob.read()
        rows = await bob.store.run(lambda tx: tx.rows(Table.INBOUND))
        for row, value in rows:
            await bob.store.run(
                partial(StoreTransaction.put, table=Table.INBOUND, name=row.replace("U", "V", 22), value=value)
            )
        [shown] = await bob.encryption.decrypt(other, server.messages)
        assert (shown.content, shown.unreadable) == ("", Unreadable.WRONG_ROOM)

    async def test_session_that_another_member_passed_on_does_not_make_them_its_sender(
        self, server: ModelServer
    ) -> None:
        ada, bob = await conversation(server, "one")
        text = server.messages[0].content.replace(ada.id, bob.id)
        [shown] = await ada.read(msgspec.structs.replace(server.messages[0], content=text, username="bob"))
        assert (shown.content, shown.unreadable) == ("", Unreadable.LOST)


class TestPositions:
    async def test_message_that_stands_twice_is_a_replay(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two")
        await bob.read()
        [shown] = await bob.read(at(server.messages[0], 3))
        assert (shown.content, shown.unreadable) == ("", Unreadable.REPLAYED)

    async def test_replay_is_found_after_a_restart(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two")
        await bob.read()
        await bob.restart()
        [shown] = await bob.read(at(server.messages[0], 3))
        assert shown.unreadable is Unreadable.REPLAYED

    async def test_message_may_stand_once_more_in_each_epoch(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two")
        await bob.read()
        restored = [at(server.messages[0], 1, "epoch-2"), at(server.messages[0], 2, "epoch-2")]
        assert [each.unreadable for each in await bob.read(*restored)] == [None, Unreadable.REPLAYED]

    async def test_message_that_the_server_left_out_is_noticed(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two", "three")
        one, _, three = server.messages
        read = await bob.read(one, at(three, 2))
        assert [each.irregularity for each in read] == [None, Irregularity.MISSING_BEFORE]

    async def test_dropped_end_of_a_session_is_noticed(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        server.changed(lost=True)
        await ada.say("three")
        one, _, three = server.messages
        read = await bob.read(one, at(three, 2))
        assert [each.irregularity for each in read] == [None, Irregularity.MISSING_BEFORE]

    async def test_deleted_message_is_no_gap(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two", "three")
        server.messages[1] = msgspec.structs.replace(server.messages[1], content="", deleted=True, by="ada")
        assert [each.irregularity for each in await bob.read()] == [None] * 3

    async def test_page_from_the_middle_is_no_gap(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two", "three", "four")
        assert [each.irregularity for each in await bob.read(*server.messages[2:])] == [None, None]

    async def test_exchanged_messages_are_noticed(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one", "two")
        one, two = server.messages
        read = await bob.read(at(two, 1), at(one, 2))
        assert Irregularity.REORDERED in {each.irregularity for each in read}

    async def test_two_histories_are_noticed(self, server: ModelServer) -> None:
        ada, bob = await conversation(server)
        await bob.say("yes")
        await bob.say("no")
        yes, no = server.messages
        await ada.read(yes)  # ada is shown the one ...
        await ada.say("fine")
        shown = [at(no, 1), at(server.messages[2], 2)]  # ... and bob's other device the other
        phone_store = bob.second_process()
        await phone_store.connect()
        read = await phone_store.read(*shown)
        assert read[-1].irregularity is Irregularity.TWO_HISTORIES

    async def test_edited_messages_are_no_other_history(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        await ada.read()
        await bob.read()
        await ada.edit(1, "ONE")
        await ada.say("three")
        assert [each.irregularity for each in await bob.read()] == [None] * 3


class TestEdits:
    async def test_edit_replaces_the_text(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        await ada.read()
        await ada.edit(1, "ONE")
        assert await bob.texts() == ["ONE", "two"]
        assert [bool(each.edited) for each in await bob.read()] == [True, False]

    async def test_edit_at_another_message_is_not_shown(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        await ada.read()
        edited = await ada.edit(1, "ONE")
        [shown] = await bob.read(at(edited, 2))
        assert (shown.content, shown.unreadable) == ("", Unreadable.REPLAYED)

    async def test_original_is_not_called_edited(self, server: ModelServer) -> None:
        _, bob = await conversation(server, "one")
        [shown] = await bob.read(msgspec.structs.replace(server.messages[0], edited="2026-09-21T14:14:00.000Z"))
        assert (shown.content, shown.edited) == ("one", "")


class TestReactions:
    async def test_reactions_are_counted_by_emoji(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one")
        await ada.react(1, "👍", "🎉")
        await bob.react(1, "👍")
        [shown] = await ada.read()
        assert [(each.emoji, each.n, each.by) for each in shown.reactions] == [
            ("👍", 2, ("ada", "bob")),
            ("🎉", 1, ("ada",)),
        ]

    async def test_later_reactions_of_a_user_replace_the_earlier_ones(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one")
        await bob.react(1, "👍", "🎉")
        await bob.react(1, "🎉")
        [shown] = await ada.read()
        assert [(each.emoji, each.n) for each in shown.reactions] == [("🎉", 1)]
        await bob.react(1)
        assert (await ada.read())[0].reactions == ()

    async def test_reactions_of_another_message_and_of_the_server_are_left_out(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one", "two")
        reacted = await bob.react(1, "👍")
        invented = Reaction(emoji="👎", n=1, by=("bob",))
        moved = msgspec.structs.replace(server.messages[1], reactions=(*reacted.reactions, invented))
        [shown] = await ada.read(moved)
        assert shown.reactions == ()

    async def test_reactions_do_not_count_as_texts(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one")
        await ada.react(1, "👍")
        await ada.say("two")
        assert [each.irregularity for each in await bob.read()] == [None, None]


class TestHealing:
    async def test_lost_olm_session_is_renewed_and_the_key_is_asked_for_again(self, server: ModelServer) -> None:
        ada, bob = await conversation(server, "one")
        await bob.say("two")  # from now on, ada's messages are of the session that both have
        await bob.read()
        await settled()
        await bob.store.run(partial(empty, table=Table.OLM_SESSIONS))
        server.changed(lost=True)
        await ada.read()
        await settled()
        await ada.say("three")
        await settled()
        await bob.read()
        await until(partial(reads, bob, "one", "two", "three"), 10)

    async def test_keys_that_an_old_copy_of_the_store_lacks_are_asked_for_again(self, server: ModelServer) -> None:
        _ada, bob = await conversation(server, "one")
        await bob.read()
        await settled()
        await bob.store.run(partial(empty, table=Table.INBOUND))
        await bob.store.run(olm_sessions.forget_sessions)
        await bob.restart()
        await bob.read()
        await until(partial(reads, bob, "one"), 10)

    async def test_key_is_given_again_only_to_devices_that_had_it(self, server: ModelServer) -> None:
        ada, _ = await conversation(server, "one")
        server.now_ms += 1000
        late = await server.log_in("bob")
        session = parse(server.messages[0].content, 30_000).session
        content = {
            "room_id": f"!{server.room.uid}:chatterbox",
            "session_id": session.replace("-", "+").replace("_", "/"),
        }
        await ada.encryption.send_to_device([late.address], "m.dummy", {})
        await late.encryption.send_to_device([ada.address], "cb.again", content)
        await settled()
        assert server.inboxes[late.address].head == 1
        assert await late.texts() == ["<before_device>"]

    async def test_key_is_given_again_from_where_it_was_given_first(self, server: ModelServer) -> None:
        ada, _bob = await conversation(server, "one")
        phone = await server.log_in("bob")
        await ada.say("two")
        await settled()
        rows = await phone.store.run(lambda tx: tx.names(Table.INBOUND))
        session = next(row.split("/")[1] for row in rows if row.endswith(ada.id))
        await phone.store.run(partial(empty, table=Table.INBOUND))
        content = {
            "room_id": f"!{server.room.uid}:chatterbox",
            "session_id": session.replace("-", "+").replace("_", "/"),
        }
        await phone.encryption.send_to_device([ada.address], "cb.again", content)
        await settled()
        assert await phone.texts() == ["<before_device>", "two"]

    async def test_store_that_can_not_be_read_is_said(self, server: ModelServer) -> None:
        _ada, bob = await conversation(server, "one")
        await bob.end()
        bob.key = bytes(32)
        bob.open()
        [shown] = await bob.read()
        assert shown.unreadable is Unreadable.STORE_DAMAGED


@pytest.mark.parametrize("content", ["", "e1", "e1.A.B.C", "e1." + "A" * 10 + "." + "s" * 43 + ".AAAA", "x" * 30_000])
async def test_any_content_is_read_without_an_error(server: ModelServer, content: str) -> None:
    _, bob = await conversation(server, "one")
    [shown] = await bob.read(msgspec.structs.replace(at(server.messages[0], 2), content=content))
    assert shown.unreadable is not None
