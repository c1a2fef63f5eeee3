"""The inbox, the queue of to-device messages, and one-time keys, on real key stores and a model of the server."""

import asyncio
from typing import Any

import msgspec
import pytest

from chatterbox.wire.encryption.device_keys import matrix_user
from chatterbox.wire.encryption.signatures import verify
from chatterbox.wire.frames.encryption import SendToDevice, ShareKeys, Take, ToDeviceKind
from client.encryption.command_link import LinkBroken
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.sessions import inbox, olm_sessions, room_sessions, to_device_queue
from client.encryption.store.key_store import StoreTransaction
from client.failures import Failure
from tests.support.encryption_model import ModelDevice, ModelServer, settled


async def two(server: ModelServer) -> tuple[ModelDevice, ModelDevice]:
    return await server.log_in("ada"), await server.log_in("bob")


def heard(device: ModelDevice, type_: str = "cb.test") -> list[dict[str, Any]]:
    """What arrives at a device, from now on."""
    contents: list[dict[str, Any]] = []

    def take(_transaction: StoreTransaction, message: ReceivedToDevice) -> None:
        assert message.is_trusted
        contents.append(message.content)

    device.encryption.handle(type_, take)
    return contents


class TestInbox:
    async def test_messages_arrive_once_and_in_order(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        for number in range(20):
            await ada.encryption.send_to_device([bob.address], "cb.test", {"number": number})
        for _, push in list(server.inboxes[bob.address].messages):
            bob.encryption.take(push)
        await settled()
        assert contents == [{"number": number} for number in range(20)]

    async def test_server_is_told_to_forget_after_the_commit_only(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        server.commands.clear()
        await ada.encryption.send_to_device([bob.address], "cb.test", {})
        await settled()
        at = await bob.store.run(inbox.position)
        assert contents == [{}]
        assert at is not None
        assert at.offset == 1
        assert [command.upto for command in server.commands if isinstance(command, Take)] == [1]
        assert server.inboxes[bob.address].messages == []

    async def test_crash_in_the_transaction_brings_the_message_again(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        failures = []

        def fail(_transaction: StoreTransaction, _message: ReceivedToDevice) -> None:
            failures.append(1)
            raise Failure("the disk is full")

        bob.encryption.handle("cb.test", fail)
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 1})
        await settled()
        assert failures == [1]
        assert len(server.inboxes[bob.address].messages) == 1
        contents = heard(bob)
        await bob.disconnect()
        await bob.connect()
        await settled()
        assert contents == [{"number": 1}]

    async def test_message_that_makes_a_handler_fail_does_not_stop_the_inbox(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents, bugs = [], []

        def fail(_transaction: StoreTransaction, message: ReceivedToDevice) -> None:
            if message.content["number"] == 2:
                raise RuntimeError("a bug")
            contents.append(message.content["number"])

        bob.encryption.handle("cb.test", fail)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context["exception"]))
        await bob.disconnect()
        for number in (1, 2, 3):
            await ada.encryption.send_to_device([bob.address], "cb.test", {"number": number})
        await bob.connect()
        await settled()
        assert contents[-2:] == [1, 3]
        assert len(bugs) == 1
        assert server.inboxes[bob.address].messages == []

    async def test_lost_push_is_read_again(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        server.holds_pushes = True
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 1})
        server.holds_pushes = False
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 2})
        await settled()
        assert contents == [{"number": 1}, {"number": 2}]

    async def test_message_of_an_unlisted_device_is_ignored(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        server.remove(ada)
        await bob.encryption._reader.fetch_users(["ada"])
        server.recipients += 1
        await ada.encryption.send_to_device([bob.address], "cb.test", {})
        await settled()
        assert contents == []
        assert server.inboxes[bob.address].messages == []

    @pytest.mark.parametrize(("kind", "body"), [(ToDeviceKind.OLM, "AAAA"), (ToDeviceKind.CLEAR, "[[[[")])
    async def test_malformed_message_does_not_stop_the_inbox(
        self, server: ModelServer, kind: ToDeviceKind, body: str
    ) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 1})
        await settled()
        [(_, push)] = [(0, message) for message in server.commands if isinstance(message, SendToDevice)]
        bad = msgspec.structs.replace(push.messages[0], n=2, kind=kind, body=body)
        server._deliver(ada.address, [bad])
        server.counts[ada.address, bob.address] = 1
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 2})
        await settled()
        assert contents == [{"number": 1}, {"number": 2}]

    async def test_new_epoch_of_the_inbox_says_that_messages_were_missed(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 1})
        await settled()
        await bob.disconnect()
        assert not bob.encryption.missed_messages
        server.inboxes[bob.address] = type(server.inboxes[bob.address])(epoch="inbox-2")
        await bob.connect()
        await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 2})
        await settled()
        assert bob.encryption.missed_messages
        assert contents == [{"number": 1}, {"number": 2}]


class TestQueue:
    async def test_message_is_sent_over_the_next_connection_with_the_same_bytes(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        ada.link.breaks_before = SendToDevice
        with pytest.raises(LinkBroken):
            await ada.encryption.send_to_device([bob.address], "cb.test", {"number": 1})
        first = await ada.store.run(to_device_queue.first)
        await ada.disconnect()
        await ada.restart()
        await settled()
        assert first is not None
        assert first.command.messages in [c.messages for c in server.commands if isinstance(c, SendToDevice)]
        assert contents == [{"number": 1}]

    async def test_device_that_is_gone_does_not_hold_up_the_others(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        phone = await server.log_in("bob")
        await ada.encryption._reader.fetch_users(["bob"])
        contents = heard(bob)
        await ada.encryption.send_to_device([phone.address, bob.address], "cb.test", {"number": 1})
        server.remove(phone)
        await ada.encryption.send_to_device([phone.address, bob.address], "cb.test", {"number": 2})
        await settled()
        assert contents == [{"number": 1}, {"number": 2}]
        assert await ada.store.run(to_device_queue.first) is None

    async def test_numbers_are_set_right_after_an_old_copy_of_the_store_was_used(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        contents = heard(bob)
        for number in (1, 2, 3):
            await ada.encryption.send_to_device([bob.address], "cb.test", {"number": number})
        await ada.store.run(olm_sessions.forget_sessions)
        await ada.store.run(room_sessions.forget_outbound)
        for number in (4, 5):
            await ada.encryption.send_to_device([bob.address], "cb.test", {"number": number})
        await settled()
        assert contents == [{"number": number} for number in (1, 2, 3, 4, 5)]
        assert server.counts[ada.address, bob.address] == 5

    async def test_keys_are_shared_in_commands_of_limited_size(self, server: ModelServer) -> None:
        ada, _bob = await two(server)
        phones = [await server.log_in("bob") for _ in range(40)]
        await ada.say("hello")
        shares = [command for command in server.commands if isinstance(command, ShareKeys)]
        assert all(len(share.messages) <= 32 and len(msgspec.json.encode(share)) < 65_536 for share in shares)
        assert sum(len(share.messages) for share in shares) == 41
        assert await phones[-1].texts() == ["hello"]


class TestOneTimeKeys:
    async def test_keys_are_signed_by_the_device(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        for key in (*server.one_time[ada.address].values(), *server.fallback[ada.address].values()):
            verify(key, matrix_user(1), ada.id, ada.public_keys.keys[f"ed25519:{ada.id}"], "the key")
        assert len(server.one_time[ada.address]) == 50
        assert [key.fallback for key in server.fallback[ada.address].values()] == [True]

    async def test_keys_are_made_again_when_few_are_left_and_the_same_set_is_retried(self, server: ModelServer) -> None:
        ada, _ = await two(server)
        held = server.one_time[ada.address]
        for key_id in list(held)[:40]:
            del held[key_id]
        real, seen = ada.account.upload_one_time_keys, []

        async def refuse(upload: Any) -> None:
            seen.append(upload)
            raise Failure("no answer")

        ada.account.upload_one_time_keys = refuse  # type: ignore[method-assign]
        await ada.disconnect()
        await ada.connect()
        await settled()
        ada.account.upload_one_time_keys = real  # type: ignore[method-assign]
        await ada.disconnect()
        await ada.connect()
        await settled()
        [upload] = ada.account.uploads
        assert seen == [upload]
        assert len(upload.one_time) == 40
        assert len(server.one_time[ada.address]) == 50

    async def test_fallback_key_is_replaced_once_it_was_used(self, server: ModelServer) -> None:
        ada, bob = await two(server)
        before = server.fallback[bob.address]
        server.one_time[bob.address].clear()
        await ada.say("hello")
        assert await bob.texts() == ["hello"]
        await bob.disconnect()
        await bob.connect()
        await settled()
        assert server.fallback[bob.address] != before
        assert len(server.one_time[bob.address]) == 50
        await asyncio.gather(ada.say("two"), bob.say("three"))
        assert "<lost>" not in await bob.texts()
