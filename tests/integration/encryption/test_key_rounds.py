"""The upkeep of keys over a connection, composed as in the client: secrets for own devices, the dehydrated device."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from chatterbox.wire import frames
from client.context import ClientContext
from client.encryption.client_encryption import Encryption
from client.encryption.core.trust import DecryptedMessage
from client.encryption.device.recovery import new_recovery_key
from client.encryption.message_encryption import EncryptedRoom, PlainContent
from client.net.encryption_support import encryption_support
from client.store.session_file import SavedSession
from tests.support.key_laptop import Laptop, Laptops
from tests.support.server import Server
from tests.support.socket_link import socket_link
from tests.support.waiting import until

FAR_S = 4e9
WAIT_S = 30.0


@asynccontextmanager
async def connected(laptop: Laptop) -> AsyncIterator[Encryption]:
    """The encryption of a laptop, as the client composes it, with a connection."""
    session = SavedSession(laptop.server.url, laptop.username, laptop.token, laptop.keys.setup.session, FAR_S, FAR_S)
    context = ClientContext(laptop.server.url, laptop.home)
    context.session_file.save(session)
    make = encryption_support(context, session).make
    assert make is not None
    encryption = make()
    assert isinstance(encryption, Encryption)
    talker = laptop.server.talker(laptop.token)
    async with socket_link(talker) as link:
        link.on_push = encryption.take
        await encryption.start(msgspec.convert(talker.welcome, frames.Welcome), link)
        try:
            yield encryption
        finally:
            encryption.stop()
            await encryption.close()


async def test_an_approved_device_is_given_the_secrets_over_the_connection(laptop: Laptops, tmp_path: Path) -> None:
    ada = await laptop("ada", tmp_path / "ada", registers=True)
    await ada.run(ada.keys.recovery.adopt, ada.identity, new_recovery_key())
    second = await laptop("ada", tmp_path / "second")
    await ada.run(ada.keys.approval.approve, ada.identity, second.identity.device_id, second.identity.ed25519)
    async with connected(ada), connected(second):
        await until(lambda: second.read(second.identity.secrets).item_keys != (), WAIT_S)
    mine, theirs = (each.read(each.identity.secrets) for each in (ada, second))
    assert (mine.self_signing, mine.item_keys) == (theirs.self_signing, theirs.item_keys)


async def test_a_message_from_when_no_device_was_there_is_read_after_recovery(
    server: Server, laptop: Laptops, tmp_path: Path
) -> None:
    key = new_recovery_key()
    ada = await laptop("ada", tmp_path / "ada", registers=True)
    await ada.run(ada.keys.recovery.adopt, ada.identity, key)
    await ada.run(ada.keys.renew_dehydrated, ada.result)
    await ada.run(ada.keys.api.logout)
    bob = await laptop("bob", tmp_path / "bob", registers=True)
    async with server.talker(bob.token) as talker, connected(bob) as writer:
        opened = await talker.ask("direct", username="ada", encrypted=True)
        room = EncryptedRoom(opened["room"], opened["uid"])
        encrypted = await writer.encrypt("k1", room, PlainContent("it is Friday"), again=False)
        ack = await talker.send(encrypted.envelope, room=room.name, recipients=encrypted.recipients, key="k1")
    new = await laptop("ada", tmp_path / "new")
    await new.run(new.keys.recovery.recover, new.identity, key)
    fields = {name: ack[name] for name in ("room", "at", "message_id", "timestamp")}
    sent = {"type": "message", "username": "bob", "content": encrypted.envelope, **fields}
    stored = msgspec.convert(sent, frames.Message)
    shown: list[DecryptedMessage] = []
    async with connected(new) as encryption:
        encryption.on_messages = lambda _, messages: shown.extend(messages)
        shown += await encryption.decrypt(room, [stored])
        await until(lambda: any(message.content == "it is Friday" for message in shown), WAIT_S)
