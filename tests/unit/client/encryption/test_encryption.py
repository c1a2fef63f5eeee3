"""Sending through the facade of encryption, between devices with real key stores and a small model of the server."""

import asyncio

import pytest

from chatterbox.wire.encryption import envelope
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress, ReadRecipients, SendToDevice, ShareKeys, WithheldReason
from client.encryption.client_encryption import REFUSALS
from client.encryption.command_link import LinkBroken
from client.encryption.message_encryption import EncryptionWaits, PlainContent, WaitReason
from tests.support.encryption_model import ModelDevice, ModelServer, push_recipients, settled


async def two(server: ModelServer) -> tuple[ModelDevice, ModelDevice]:
    return await server.log_in("ada"), await server.log_in("bob")


class TestFirstMessage:
    async def test_first_message_is_read_by_all_devices_of_both_users(self, server: ModelServer) -> None:
        ada, phone, bob = [await server.log_in(name) for name in ("ada", "ada", "bob")]
        await ada.say("hello bob")
        for device in (ada, phone, bob):
            assert await device.texts() == ["hello bob"]

    async def test_member_without_devices_holds_the_message_back_with_the_name(self, server: ModelServer) -> None:
        ada = await server.log_in("ada")
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("hello?")
        assert (waits.value.reason, waits.value.usernames) == (WaitReason.NO_KEYS, ("bob",))
        assert server.messages == []
        bob = await server.log_in("bob")
        await ada.say("hello!")
        assert await bob.texts() == ["hello!"]

    async def test_second_message_takes_no_command(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("one")
        await settled()
        server.commands.clear()
        await ada.say("two")
        assert server.commands == []
        assert await bob.texts() == ["one", "two"]

    async def test_notes_to_oneself_are_read_by_the_other_own_device(self, server: ModelServer) -> None:
        notes = ModelServer(server.folder / "notes", "ada")
        ada, phone = await notes.log_in("ada"), await notes.log_in("ada")
        await ada.say("buy milk")
        assert await phone.texts() == ["buy milk"]
        await ada.end()
        await phone.end()

    async def test_both_write_first_at_the_same_time(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await asyncio.gather(ada.say("from ada"), bob.say("from bob"))
        await asyncio.gather(ada.say("again ada"), bob.say("again bob"))
        for device in (ada, bob):
            assert sorted(await device.texts()) == ["again ada", "again bob", "from ada", "from bob"]


class TestChangingRecipients:
    async def test_new_device_reads_from_the_next_message_on_with_the_same_session(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        first = await ada.say("before")
        phone = await server.log_in("bob")
        second = await ada.say("after")
        assert session_of(first.content) == session_of(second.content)
        assert await phone.texts() == ["<before_device>", "after"]
        assert await bob.texts() == ["before", "after"]

    async def test_nothing_is_encrypted_for_a_device_that_was_removed(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        phone = await server.log_in("bob")
        first = await ada.say("before")
        await phone.texts()
        server.remove(phone)
        second = await ada.say("after")
        assert session_of(first.content) != session_of(second.content)
        assert await bob.texts() == ["before", "after"]
        await phone.disconnect()
        assert await phone.texts() == ["before", "<awaiting>"]

    async def test_session_is_replaced_if_a_device_came_back_meanwhile(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        first = await ada.say("before")
        server.changed(lost=True)
        server.changed()
        second = await ada.say("after")
        assert session_of(first.content) != session_of(second.content)
        assert await bob.texts() == ["before", "after"]

    async def test_hint_makes_the_next_message_current_without_a_refusal(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        await ada.say("before")
        await server.log_in("bob")
        push_recipients(ada)
        content = await ada.encryption.encrypt("k", server.room, PlainContent("after"), again=False)
        assert content.recipients == server.recipients

    async def test_refused_message_leaves_no_gap_for_readers(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("one")
        await server.log_in("bob")
        await ada.say("two")
        phone = await server.log_in("ada")
        server.remove(phone)
        await ada.say("three")
        await ada.say("four")
        assert [each.irregularity for each in await bob.read()] == [None] * 4
        assert await bob.texts() == ["one", "two", "three", "four"]

    async def test_message_waits_after_many_refusals_in_a_row(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        ready = asyncio.Event()
        ada.encryption.on_readiness = ready.set
        for _ in range(REFUSALS):
            await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=True)
            server.changed()
        with pytest.raises(EncryptionWaits) as waits:
            await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=True)
        assert waits.value.reason is WaitReason.RECIPIENTS_CHANGING
        await asyncio.wait_for(ready.wait(), 5)
        await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=True)

    async def test_session_is_replaced_after_fifty_messages_or_a_day(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        for number in range(51):
            await ada.say(str(number))
        server.now_ms += 24 * 3600 * 1000
        await ada.say("next day")
        sessions = [session_of(message.content) for message in server.messages]
        assert len(set(sessions[:50])) == 1
        assert len(set(sessions)) == 3
        assert [each.irregularity for each in await bob.read()] == [None] * 52


class TestSameBytes:
    async def test_same_key_gives_the_same_envelope_also_after_a_restart(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        first = await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=False)
        await ada.restart()
        assert await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=False) == first

    async def test_forgotten_envelope_is_encrypted_again(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        first = await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=False)
        ada.encryption.forget("k")
        await settled()
        assert await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=False) != first

    async def test_message_taken_back_leaves_no_gap_for_readers(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("one")
        await ada.encryption.encrypt("k", server.room, PlainContent("x"), again=False)
        ada.encryption.forget("k", stored=False)
        await settled()
        await ada.say("two")
        assert [each.irregularity for each in await bob.read()] == [None, None]

    @pytest.mark.parametrize("command", [ReadRecipients, ShareKeys])
    async def test_broken_connection_while_sharing_loses_and_doubles_nothing(
        self, server: ModelServer, command: type[object]
    ) -> None:
        ada, bob = await two(server)
        for attribute in ("breaks_before", "breaks_after"):
            setattr(ada.link, attribute, command)
            with pytest.raises(LinkBroken):
                await ada.say("hello", key="k")
            await ada.disconnect()
            await ada.restart()
        await ada.say("hello", key="k")
        assert await bob.texts() == ["hello"]
        assert len(server.inboxes[bob.address].messages) <= 1
        assert server.counts[ada.address, bob.address] == 1

    async def test_stale_share_is_still_sent_so_that_numbers_have_no_gap(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        ada.link.breaks_before = ShareKeys
        with pytest.raises(LinkBroken):
            await ada.say("one")
        await ada.disconnect()
        phone = await server.log_in("bob")
        await ada.connect()
        await ada.say("two")
        assert any(isinstance(command, SendToDevice) for command in server.commands)
        assert await bob.texts() == await phone.texts() == ["two"]


class TestWhoGetsKeys:
    async def test_device_that_its_owner_did_not_sign_gets_a_reason_and_no_key(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        ghost = DeviceAddress("bob", "GHOSTGHOST")
        server.ghosts.append(ghost)
        server.changed()
        await ada.say("hello")
        shares = [command for command in server.commands if isinstance(command, ShareKeys)]
        assert {message.to for share in shares for message in share.messages} == {bob.address}
        assert [each.reason for share in shares for each in share.withheld] == [WithheldReason.UNSIGNED]

    async def test_third_user_in_a_direct_conversation_gets_no_key(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        outside = ModelServer(server.folder / "outside", "mallory")
        outside.users["mallory"].user_id = 66
        mallory = await outside.log_in("mallory")
        server.users["mallory"] = outside.users["mallory"]
        server.inboxes[mallory.address] = outside.inboxes[mallory.address]
        server.one_time[mallory.address] = outside.one_time[mallory.address]
        server.changed()
        await ada.say("hello")
        shares = [command for command in server.commands if isinstance(command, ShareKeys)]
        assert {message.to for share in shares for message in share.messages} == {bob.address}

    async def test_one_time_key_of_another_signer_begins_no_session(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        server.one_time[bob.address] = dict(server.one_time[ada.address])
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("hello")
        assert (waits.value.reason, waits.value.usernames) == (WaitReason.NO_KEYS, ("bob",))

    async def test_changed_master_key_holds_the_message_until_it_is_accepted(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("before")
        server.users["bob"].master = bytes(31) + b"x"
        server.users["bob"].sign()
        server.changed()
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("after")
        assert (waits.value.reason, waits.value.usernames) == (WaitReason.KEYS_CHANGED, ("bob",))
        ada.encryption.accept_keys(server.room)
        await settled()
        await ada.say("after")
        assert (await bob.texts())[-1] == "after"

    async def test_changed_master_key_of_a_verified_user_is_not_accepted_by_sending(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        await ada.say("before")
        trusted = ada.encryption.trusted
        shown = server.users["bob"].shown
        assert shown is not None
        await ada.store.run(lambda tx: trusted.mark_verified(tx, 2, shown.master.public_key))
        server.users["bob"].master = bytes(31) + b"x"
        server.users["bob"].sign()
        server.changed()
        for _ in range(2):
            with pytest.raises(EncryptionWaits) as waits:
                await ada.say("after")
            assert waits.value.reason is WaitReason.VERIFIED_KEYS_CHANGED
            ada.encryption.accept_keys(server.room)
            await settled()

    async def test_device_that_may_not_encrypt_says_why(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        ada.account.obstacle_now = WaitReason.DEVICE_PENDING
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say("hello")
        assert waits.value.reason is WaitReason.DEVICE_PENDING
        assert server.messages == []


class TestLimits:
    async def test_four_thousand_emoji_fit(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("\N{GRINNING FACE}" * 4000)
        assert await bob.texts() == ["\N{GRINNING FACE}" * 4000]

    async def test_message_that_is_too_large_is_refused_and_uses_no_number(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("one")
        with pytest.raises(ChatError) as refused:
            await ada.encryption.encrypt("k", server.room, PlainContent("x" * 30_000), again=False)
        assert refused.value.code is Code.CONTENT_TOO_LONG
        await ada.say("two")
        assert [(each.content, each.irregularity) for each in await bob.read()] == [("one", None), ("two", None)]


class TestSeveralProcesses:
    async def test_two_processes_share_a_store_and_number_their_messages_together(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        await ada.say("zero")
        tail = ada.second_process()
        await tail.connect()
        for turn in range(5):
            await asyncio.gather(ada.say(f"a{turn}"), tail.say(f"b{turn}"))
        read = await bob.read()
        assert [each.irregularity for each in read] == [None] * 11
        assert len({session_of(message.content) for message in server.messages}) == 1
        assert all(each.unreadable is None for each in await tail.read())

    async def test_message_is_worked_off_by_one_process_and_known_to_the_other(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        other = bob.second_process()
        await other.connect()
        await ada.say("hello")
        assert await bob.texts() == await other.texts() == ["hello"]


def session_of(text: str) -> str:
    return envelope.parse(text, 30_000).session
