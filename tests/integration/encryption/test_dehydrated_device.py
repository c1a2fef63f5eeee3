"""The dehydrated device, against the real server: keys that come while all devices of the user are logged out."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import vodozemac

from chatterbox.wire.encryption import envelope
from client.encryption.core.trust import Trust
from client.encryption.device.dehydrated_device import WEEK_MS, listed_account
from client.encryption.device.device_identity import PICKLE_KEY
from client.encryption.device.device_setup import Standing
from client.encryption.device.recovery import new_recovery_key
from client.encryption.exchange.dehydrated_inbox import DehydratedInbox, DehydratedMessages
from client.encryption.sessions import room_sessions
from client.encryption.sessions.base64_text import to_base64
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction
from tests.support.encrypted_talker import EncryptedTalker, set_up
from tests.support.key_laptop import Killed, Laptop, Laptops
from tests.support.server import Server
from tests.support.socket_link import SocketLink, socket_link


@pytest.fixture
async def ada(laptop: Laptops, tmp_path: Path) -> Laptop:
    """Ada's first device, with a recovery key and a dehydrated device."""
    ada = await laptop("ada", tmp_path / "ada", registers=True)
    await ada.run(ada.keys.renew_dehydrated, ada.result)
    return ada


@pytest.fixture
async def recovery_key(ada: Laptop) -> bytes:
    key = new_recovery_key()
    await ada.run(ada.keys.recovery.adopt, ada.identity, key)
    await ada.run(ada.keys.renew_dehydrated, ada.result)
    return key


async def read_dehydrated(laptop: Laptop, link: SocketLink) -> DehydratedMessages:
    """Read the inbox of the listed dehydrated device, whose senders are fetched and checked first."""
    account = laptop.read(lambda transaction: listed_account(transaction, laptop.keys.users))
    assert account is not None
    inbox = DehydratedInbox(account, UserDirectory(laptop.keys.users))
    link.on_push = inbox.take

    async def run(work: Callable[[StoreTransaction], Any]) -> Any:
        return await laptop.run(partial(laptop.read, work))

    async def fetch(names: Iterable[str]) -> None:
        for keys in await laptop.run(laptop.keys.api.users, names):
            laptop.read(partial(_accept, laptop=laptop, keys=keys))

    return await inbox.read(link.ask, run, fetch)


def decrypted(laptop: Laptop, uid: str, content: str) -> str:
    """The text of an envelope, by the session that the laptop holds."""
    parsed = envelope.parse(content, 24_576)
    row = room_sessions.inbound_row(uid, parsed.session, parsed.device)
    record = laptop.read(lambda transaction: room_sessions.inbound(transaction, row))
    assert record is not None
    session = vodozemac.InboundGroupSession.from_pickle(record.pickle, PICKLE_KEY)
    message = vodozemac.MegolmMessage.from_base64(to_base64(envelope.from_base64url(parsed.body)))
    return str(msgspec.json.decode(session.decrypt(message).plaintext)["content"]["b"])


class TestFridayToSaturday:
    async def test_what_comes_while_everybody_is_logged_out_is_read_on_a_new_device(
        self, server: Server, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        await ada.run(ada.keys.api.logout)
        ada.close()
        token = await server.newcomer("bob")
        bob_device = await set_up(server, token, "BOBBOBBOB2")
        async with server.talker(token) as talker:
            bob = EncryptedTalker(talker, bob_device)
            opened = await talker.ask("direct", username="ada", encrypted=True)
            room, uid = opened["room"], opened["uid"]
            recipients = await bob.share(room, uid)
            assert (await bob.send(room, uid, "it is Friday", recipients, key="k1"))["type"] == "sent"
            shared = {address.device for address in bob.shared}
        assert ada.identity.device_id not in shared, "its session was ended"

        new = await laptop("ada", tmp_path / "new")
        assert new.result.standing is Standing.PENDING
        recovered = await new.run(new.keys.recovery.recover, new.identity, recovery_key)
        assert recovered.restored.bad == 0
        async with socket_link(server.talker(new.token)) as link:
            messages = await read_dehydrated(new, link)
        assert (messages.read, messages.bad, len(messages.arrived)) == (1, 0, 1)
        page = await server.http.get("/messages", params={"room": room}, headers=_bearing(new))
        assert page.status_code == 200, page.text
        assert decrypted(new, uid, page.json()[0]["content"]) == "it is Friday"


def _accept(transaction: StoreTransaction, laptop: Laptop, keys: Any) -> None:
    user = laptop.keys.users.accept(transaction, keys)
    assert user is not None
    assert user.trust is Trust.SEEN


def _bearing(laptop: Laptop) -> dict[str, str]:
    return {"Authorization": f"Bearer {laptop.token}"}


class TestReplacement:
    async def test_there_is_none_before_the_recovery_key(self, ada: Laptop) -> None:
        assert await ada.run(ada.keys.dehydrated.listed) == ""

    async def test_the_recovery_key_brings_one_whose_account_is_in_the_backup(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        device_id = await ada.run(ada.keys.dehydrated.listed)
        assert device_id
        new = await laptop("ada", tmp_path / "new")
        await new.run(new.keys.recovery.recover, new.identity, recovery_key)
        assert await new.run(new.keys.dehydrated.listed) == device_id
        assert not await new.run(new.keys.dehydrated.is_replacement_due, new.identity)

    async def test_it_is_replaced_after_a_week(self, ada: Laptop, recovery_key: bytes) -> None:
        first = await ada.run(ada.keys.dehydrated.listed)
        assert not await ada.run(ada.keys.dehydrated.is_replacement_due, ada.identity)
        ada.now_ms += WEEK_MS
        assert await ada.run(ada.keys.dehydrated.is_replacement_due, ada.identity)
        second = await ada.run(ada.keys.dehydrated.replace, ada.identity)
        assert second != first
        assert await ada.run(ada.keys.dehydrated.listed) == second

    @pytest.mark.parametrize("is_done", [False, True])
    @pytest.mark.parametrize("name", ["add_backup_items", "put_device", "put_list"])
    async def test_a_client_killed_meanwhile_lists_the_same_one_at_its_next_start(
        self, laptop: Laptops, tmp_path: Path, name: str, is_done: bool
    ) -> None:
        ada = await laptop("ada", tmp_path / "ada", registers=True)
        await ada.run(ada.keys.recovery.adopt, ada.identity, new_recovery_key())
        await ada.run(ada.keys.backup.upload_all, ada.identity)
        ada.cut(name, is_done=is_done)
        with pytest.raises(Killed):
            await ada.run(ada.keys.renew_dehydrated, ada.result)
        ada.crash()
        await ada.set_up()
        await ada.run(ada.keys.renew_dehydrated, ada.result)
        device_id = await ada.run(ada.keys.dehydrated.listed)
        devices = (await ada.run(ada.keys.api.devices)).devices
        assert [device.device for device in devices if device.dehydrated] == [device_id]
