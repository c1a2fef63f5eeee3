"""Encrypted rooms through the facade: who gets keys, and what a server that lies about the members can't do."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, entry_hash, member_log
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import CreateRoom, Invite, Remove, SetTopic
from chatterbox.wire.frames.encryption import ReadRecipients, Recipients, ShareKeys, WithheldReason
from client.encryption.command_link import LinkBroken
from client.encryption.core.member_log_rules import HeldLog
from client.encryption.core.trust import Irregularity, Trust
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, WaitReason
from client.encryption.rooms.member_log_keeper import Reading
from client.encryption.rooms.member_news import MemberNews, MemberNewsKind
from client.encryption.store.key_store import StoreTransaction
from tests.support.encrypted_room_model import ROOM, RoomModel, named, other_keys
from tests.support.encryption_model import ModelDevice, ModelUser, settled

NAMES = ("ada", "bob", "cyd", "mallory")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RoomModel]:
    server = RoomModel(tmp_path, *NAMES)
    yield server
    for device in server.opened:
        await device.end()


async def logged_in(server: RoomModel, *names: str) -> list[ModelDevice]:
    return [await server.log_in(name) for name in names]


def news_of(device: ModelDevice) -> list[MemberNews]:
    news: list[MemberNews] = []
    device.encryption.logs.on_news = news.append
    return news


def withheld(server: RoomModel) -> dict[str, WithheldReason]:
    """The reasons that were given, by user."""
    shares = [command for command in server.commands if isinstance(command, ShareKeys)]
    return {each.username: each.reason for share in shares for each in share.withheld}


def believe_a_member(server: RoomModel, device: ModelDevice) -> None:
    """A program that was changed: it takes its user for a member, and writes."""
    user = server.users[device.address.username]

    async def read(_room: EncryptedRoom, known: Mapping[str, int]) -> Reading:
        reply = server.answer(device.address, ReadRecipients(id=1, room=ROOM, known=dict(known)))
        assert isinstance(reply, Recipients)
        log = member_log(server.entries)
        return Reading(reply, HeldLog(replace(log, members={**log.members, user.user_id: named(user)})))

    device.encryption.logs.read = read  # type: ignore[method-assign, assignment]


class TestMembers:
    async def test_invited_members_read_and_the_first_message_needs_nobody_else(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await server.create(ada)
        await ada.say("alone")
        await server.invite(ada, "bob")
        await ada.say("two of us")
        assert await ada.texts() == ["alone", "two of us"]
        assert (await bob.texts())[1] == "two of us"

    async def test_member_without_devices_does_not_hold_a_message_back(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await server.create(ada)
        await server.invite(ada, "bob")
        server.asleep.add(bob.address)
        server.changed()
        await ada.say("hello")

    async def test_user_whom_only_the_server_added_gets_no_keys_and_is_told_once(self, server: RoomModel) -> None:
        ada, mallory = await logged_in(server, "ada", "mallory")
        await server.create(ada)
        news = news_of(ada)
        server.add_ghost("mallory")
        await ada.say("secret")
        server.changed()
        await ada.say("more")
        assert (await mallory.texts())[0].startswith("<")
        assert withheld(server) == {"mallory": WithheldReason.UNSIGNED}
        assert news == [MemberNews(MemberNewsKind.GHOST, ROOM, "mallory")]
        await ada.restart()
        server.changed()
        news = news_of(ada)
        await ada.say("and more")
        assert news == []

    async def test_message_of_a_user_whom_nobody_invited_is_not_shown(self, server: RoomModel) -> None:
        ada, mallory = await logged_in(server, "ada", "mallory")
        await server.create(ada)
        server.add_ghost("mallory")
        believe_a_member(server, mallory)
        await ada.say("hello")
        await mallory.say("I am one of you")
        assert await ada.texts() == ["hello", "<uninvited>"]

    async def test_removed_member_reads_on_what_was_and_nothing_of_what_follows(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        await cyd.say("before")
        await server.remove_user(ada, "cyd")
        await bob.say("after")
        assert await bob.texts() == await ada.texts() == ["before", "after"]
        assert (await cyd.texts())[1].startswith("<")

    async def test_member_whom_the_server_brings_back_gets_no_keys(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("together")
        await server.remove_user(ada, "bob")
        server.add_ghost("bob")
        await ada.say("alone")
        assert (await bob.texts())[1].startswith("<")
        with pytest.raises(EncryptionWaits) as waits:
            await bob.say("I am back")
        assert waits.value.reason is WaitReason.MEMBER_LOG_INVALID

    async def test_removal_that_the_server_keeps_from_the_recipients_ends_the_session(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        server.asleep.add(cyd.address)  # cyd is given no key by bob
        first = await bob.say("one")
        signed = await ada.encryption.sign(Remove(id=1, room=ROOM, username="cyd"), server.room)
        assert isinstance(signed, Remove)
        assert isinstance(signed.entry, MemberEntry)
        server.entries.append(signed.entry)  # no other version, and nobody lost access, as the server says
        await ada.say("two")
        assert (await bob.texts())[1] == "two"
        second = await bob.say("three")
        assert first.content.split(".")[2] != second.content.split(".")[2]

    async def test_user_id_that_a_log_gives_to_another_name_is_not_believed(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await bob.encryption._refresh("cyd")
        server.forge(server.users["ada"], MemberEntryKind.INVITE, ModelUser(99, "cyd"))
        with pytest.raises(EncryptionWaits) as waits:
            await bob.say("hello")
        assert waits.value.reason is WaitReason.MEMBER_LOG_INVALID


class TestKeysOfMembers:
    async def test_keys_that_a_log_names_first_are_the_ones_that_must_be_shown(self, server: RoomModel) -> None:
        ada, bob, _cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        other_keys(server.users["cyd"])  # before bob saw any keys of cyd
        server.changed()
        news = news_of(bob)
        await bob.say("hello")
        assert withheld(server)["cyd"] is WithheldReason.CHANGED
        assert news == [MemberNews(MemberNewsKind.OTHER_KEYS, ROOM, "cyd")]

    async def test_member_with_new_keys_reads_after_another_invitation(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        await ada.say("one")
        other_keys(server.users["cyd"])
        server.changed()
        await ada.say("two")
        assert (await cyd.texts())[1].startswith("<")
        await ada.encryption._refresh("cyd")
        with pytest.raises(EncryptionWaits) as waits:
            await server.invite(ada, "cyd")
        assert (waits.value.reason, waits.value.usernames) == (WaitReason.KEYS_CHANGED, ("cyd",))
        ada.encryption.accept_keys(server.room)
        await settled()
        await server.invite(ada, "cyd")
        await bob.say("three")  # bob needs not to accept anything: ada signed for the keys
        assert (await cyd.texts())[2] == "three"

    async def test_own_verification_stands_above_what_another_member_signed(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        await bob.say("one")
        user = server.users["cyd"]
        master = user.shown.master.public_key if user.shown else ""
        await bob.store.run(lambda each: bob.encryption.trusted.mark_verified(each, user.user_id, master))
        other_keys(user)
        await ada.encryption._refresh("cyd")
        ada.encryption.accept_keys(server.room)
        with pytest.raises(EncryptionWaits):
            await server.invite(ada, "cyd")
        ada.encryption.accept_keys(server.room)
        await settled()
        await server.invite(ada, "cyd")
        await bob.say("two")
        assert withheld(server)["cyd"] is WithheldReason.CHANGED
        assert (await cyd.texts())[1].startswith("<")

    async def test_user_without_keys_can_not_be_invited(self, server: RoomModel) -> None:
        [ada] = await logged_in(server, "ada")
        await server.create(ada)
        with pytest.raises(ChatError, match="bob has no keys yet") as refused:
            await server.invite(ada, "bob")
        assert refused.value.code is Code.USER_UNKNOWN

    async def test_member_whose_own_keys_changed_is_told_to_be_invited_again(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        keys = other_keys(server.users["bob"])

        def taken(transaction: StoreTransaction) -> None:
            bob.encryption.trusted.accept(transaction, keys)
            identity = DeviceIdentity.load(transaction)
            assert identity is not None
            identity.save_secrets(transaction, UserSecrets(self_signing=server.users["bob"].self_signing))

        await bob.store.run(taken)
        with pytest.raises(ChatError, match="/invite bob"):
            await server.invite(bob, "cyd")


class TestMemberLog:
    async def test_shorter_log_holds_messages_back_and_the_held_one_counts(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("one")
        news = news_of(ada)
        del server.entries[1:]
        server.changed()
        for _ in range(2):
            with pytest.raises(EncryptionWaits) as waits:
                await ada.say("two")
            assert waits.value.reason is WaitReason.MEMBER_LOG_INVALID
        assert news == [MemberNews(MemberNewsKind.LOG_SHORTER, ROOM)]
        found = await ada.encryption.members(server.room)
        assert found is not None
        assert set(found.members) == {"ada", "bob"}
        assert (await bob.texts())[0] == "one"

    async def test_restored_server_is_given_the_entries_that_it_lost(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        await server.remove_user(ada, "bob")
        await ada.say("one")
        complete = list(server.entries)
        del server.entries[2:]
        server.is_restored = True
        server.changed()
        await ada.say("two")
        assert server.entries == complete
        assert (await cyd.texts())[1] == "two"
        assert (await bob.texts())[1].startswith("<")

    @pytest.mark.parametrize("after", [1, 2])
    async def test_other_entries_than_those_that_are_held_are_not_taken(self, server: RoomModel, after: int) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "mallory")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("one")
        await bob.texts()
        news = news_of(ada)
        author = server.users["mallory" if after == 2 else "ada"]
        server.forge(author, MemberEntryKind.INVITE, server.users["mallory"], after=after)
        server.added.add("bob")
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("two")
        assert waits.value.reason is WaitReason.MEMBER_LOG_INVALID
        assert news == [MemberNews(MemberNewsKind.LOG_INVALID, ROOM)]
        found = await ada.encryption.members(server.room)
        assert found is not None
        assert set(found.members) == {"ada", "bob"}

    async def test_log_in_another_members_name_is_not_believed(self, server: RoomModel) -> None:
        """The server makes a room up, which a known user seems to have created."""
        ada, bob, _ = await logged_in(server, "ada", "bob", "mallory")
        await bob.encryption._refresh("ada")
        false = ModelUser(server.users["ada"].user_id, "ada")
        server.forge(false, MemberEntryKind.CREATE)
        server.forge(false, MemberEntryKind.INVITE, server.users["mallory"])
        server.forge(false, MemberEntryKind.INVITE, server.users["bob"])
        server.room = EncryptedRoom(ROOM, entry_hash(server.entries[0]))
        with pytest.raises(EncryptionWaits) as waits:
            await bob.say("secret")
        assert waits.value.reason is WaitReason.MEMBER_LOG_INVALID
        assert server.messages == []
        assert await bob.encryption.members(server.room) is None
        assert ada.user.shown is not None

    async def test_long_log_is_read_in_pages(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        for _ in range(3):
            await server.invite(ada, "cyd")
            await server.remove_user(ada, "cyd")
        await server.invite(ada, "bob")
        server.page = 2
        await bob.say("hello")
        await server.invite(bob, "cyd")
        assert len(server.entries) == 9
        assert cyd.user.shown is not None

    async def test_room_that_takes_the_name_of_another_waits_until_it_is_accepted(self, server: RoomModel) -> None:
        ada, _, bob = await logged_in(server, "ada", "ada", "bob")
        await server.create(ada)
        await server.invite(ada, "bob")
        await bob.say("one")
        server.entries.clear()
        server.users["mallory"].sign()
        server.forge(server.users["mallory"], MemberEntryKind.CREATE)
        server.forge(server.users["mallory"], MemberEntryKind.INVITE, server.users["bob"])
        server.room = EncryptedRoom(ROOM, entry_hash(server.entries[0]))
        with pytest.raises(EncryptionWaits) as waits:
            await bob.say("two")
        assert waits.value.reason is WaitReason.ROOM_REPLACED
        bob.encryption.accept_keys(server.room)
        await settled()
        await bob.say("two")

    async def test_text_names_the_log_and_another_log_shows(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("one")
        await bob.texts()
        mine, common = list(server.entries), list(server.entries)
        await server.invite(ada, "cyd")
        await ada.say("two")
        mine, server.entries = list(server.entries), common
        server.forge(server.users["bob"], MemberEntryKind.INVITE, server.users["cyd"])
        await bob.encryption.sign(Remove(id=1, room=ROOM, username="x"), server.room)  # bob reads his log
        assert server.entries != mine
        shown = await bob.read()
        assert [each.irregularity for each in shown] == [None, Irregularity.TWO_MEMBER_LOGS]

    async def test_log_that_is_withheld_is_told_once(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("one")
        await bob.texts()
        news = news_of(bob)
        shown_to_bob = list(server.entries)
        await server.invite(ada, "cyd")
        await ada.say("two")
        await ada.say("three")
        server.entries = shown_to_bob
        assert await bob.texts() == ["one", "two", "three"]
        assert await bob.texts() == ["one", "two", "three"]
        assert news == [MemberNews(MemberNewsKind.LOG_WITHHELD, ROOM, "ada")]

    async def test_new_member_whose_text_comes_first_is_shown_after_one_look_at_the_log(
        self, server: RoomModel
    ) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await ada.say("one")
        await bob.texts()
        await server.invite(ada, "cyd")
        await cyd.say("two")
        await bob.encryption.read_inbox()
        server.commands.clear()
        assert await bob.texts() == ["one", "two"]
        assert sum(isinstance(command, ReadRecipients) for command in server.commands) == 1
        server.commands.clear()
        assert await bob.texts() == ["one", "two"]
        assert server.commands == []


class TestSigning:
    async def test_creation_that_got_no_answer_is_signed_the_same(self, server: RoomModel) -> None:
        [ada] = await logged_in(server, "ada")
        command = CreateRoom(id=1, room="Plans~", private=True)
        first = await ada.encryption.sign(command, None)
        await ada.restart()
        assert await ada.encryption.sign(command, None) == first
        assert isinstance(first, CreateRoom)
        assert isinstance(first.entry, MemberEntry)
        assert first.entry.room == "plans~"

    async def test_creator_pins_the_room_that_was_signed(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await ada.encryption.sign(CreateRoom(id=1, room=ROOM, private=True), None)
        await server.create(bob)  # the server says that this is ada's
        await server.invite(bob, "ada")
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("hello")
        assert waits.value.reason is WaitReason.ROOM_REPLACED

    async def test_removal_that_got_no_answer_is_signed_the_same(self, server: RoomModel) -> None:
        ada, _ = await logged_in(server, "ada", "bob")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.remove_user(ada, "bob")
        again = await ada.encryption.sign(Remove(id=1, room=ROOM, username="bob"), server.room)
        assert isinstance(again, Remove)
        assert again.entry == server.entries[-1]

    async def test_ghost_is_removed_without_an_entry(self, server: RoomModel) -> None:
        ada, _ = await logged_in(server, "ada", "mallory")
        await server.create(ada)
        server.add_ghost("mallory")
        signed = await ada.encryption.sign(Remove(id=1, room=ROOM, username="mallory"), server.room)
        assert isinstance(signed, Remove)
        assert signed.entry is msgspec.UNSET

    async def test_member_who_did_not_create_the_room_can_not_remove_others(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        await server.invite(ada, "cyd")
        with pytest.raises(ChatError, match="Only the creator"):
            await server.remove_user(bob, "cyd")

    async def test_device_that_is_not_let_in_signs_nothing(self, server: RoomModel) -> None:
        [ada] = await logged_in(server, "ada")
        ada.account.obstacle_now = WaitReason.DEVICE_PENDING
        with pytest.raises(EncryptionWaits) as waits:
            await server.create(ada)
        assert waits.value.reason is WaitReason.DEVICE_PENDING

    async def test_invitation_is_signed_again_after_the_connection_broke(self, server: RoomModel) -> None:
        ada, bob = await logged_in(server, "ada", "bob")
        await server.create(ada)
        ada.link.breaks_after = ReadRecipients
        with pytest.raises(LinkBroken):
            await ada.encryption.sign(Invite(id=1, room=ROOM, username="bob"), server.room)
        await ada.restart()
        await server.invite(ada, "bob")
        await bob.say("hello")
        assert await ada.texts() == ["hello"]

    async def test_hooks_see_each_signed_invitation_and_each_new_entry_once(self, server: RoomModel) -> None:
        ada, bob, _ = await logged_in(server, "ada", "bob", "cyd")
        signed: list[MemberEntry] = []
        seen: list[int] = []
        rooms: list[EncryptedRoom] = []

        async def note(room: EncryptedRoom) -> None:
            rooms.append(room)

        ada.encryption.signer.on_signed.append(lambda _, _room, entry: signed.append(entry))
        bob.encryption.logs.on_entry.append(lambda _, _room, _held, entry: seen.append(entry.seq))
        bob.encryption.logs.after_entries.append(note)
        await server.create(ada)
        await server.invite(ada, "bob")
        await bob.say("one")
        await server.invite(ada, "cyd")
        await bob.say("two")
        await bob.say("three")
        assert signed == server.entries[1:]
        assert seen == [1, 2, 3]
        assert rooms == [server.room, server.room]


class TestTopic:
    async def test_topic_is_read_by_members_only(self, server: RoomModel) -> None:
        ada, bob, cyd = await logged_in(server, "ada", "bob", "cyd")
        await server.create(ada)
        await server.invite(ada, "bob")
        signed = await ada.encryption.sign(SetTopic(id=1, room=ROOM, topic="engines"), server.room)
        assert isinstance(signed, SetTopic)
        assert signed.recipients == server.recipients
        assert await bob.encryption.decrypt_topic(server.room, signed.topic) == "engines"
        assert await cyd.encryption.decrypt_topic(server.room, signed.topic) is None

    async def test_message_is_no_topic_and_a_topic_is_no_message(self, server: RoomModel) -> None:
        [ada] = await logged_in(server, "ada")
        await server.create(ada)
        message = await ada.say("hello")
        assert await ada.encryption.decrypt_topic(server.room, message.content) is None
        signed = await ada.encryption.sign(SetTopic(id=1, room=ROOM, topic="engines"), server.room)
        assert isinstance(signed, SetTopic)
        [shown] = await ada.read(msgspec.structs.replace(message, content=signed.topic))
        assert shown.unreadable == "forged"

    async def test_topic_that_is_too_long_is_refused_with_the_limit(self, server: RoomModel) -> None:
        [ada] = await logged_in(server, "ada")
        await server.create(ada)
        with pytest.raises(ChatError, match="2048"):
            await ada.encryption.sign(SetTopic(id=1, room=ROOM, topic="x" * 4000), server.room)


async def test_members_are_told_with_how_their_keys_are_known(server: RoomModel) -> None:
    ada, _ = await logged_in(server, "ada", "bob")
    await server.create(ada)
    assert await ada.encryption.members(EncryptedRoom("other~", "x")) is None
    await server.invite(ada, "bob")
    await ada.say("hello")
    found = await ada.encryption.members(server.room)
    assert found is not None
    assert found.members["bob"] is Trust.SEEN
