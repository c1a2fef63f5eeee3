"""Mistakes planted into the client's engine. A schedule must find each of them."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

import msgspec

from chatterbox.wire.encryption.envelope import from_base64url
from chatterbox.wire.encryption.key_api import BackupItem
from client.encryption.core.backup_format import ItemContent, KeyBackupError, decrypt_item
from client.encryption.core.messages import message_payload, recipient_decision
from client.encryption.core.messages.recipient_decision import Decision
from client.encryption.core.messages.sequence_checks import SeenBlock
from client.encryption.device import key_backup, trusted_users
from client.encryption.exchange import key_sharer, room_sender
from client.encryption.sessions import inbox, room_sessions
from client.encryption.store.key_store import StoreTransaction
from tests.simulation.encryption import device

_encrypt = room_sessions.encrypt
_decide = recipient_decision.decide
_build = message_payload.build
_decrypt_item = decrypt_item
_finish_share = key_sharer._finish_share


def transmit_before_commit() -> AbstractContextManager[object]:
    """The ratchet that encrypted a message is not on disk when the message leaves the computer."""

    def encrypt(transaction: StoreTransaction, uid: str, record: Any, *rest: Any) -> Any:
        pickle, messages = record.pickle, record.messages
        envelope = _encrypt(transaction, uid, record, *rest)
        record.pickle, record.messages = pickle, messages
        room_sessions.put_outbound(transaction, uid, record)
        return envelope

    return patch.object(room_sessions, "encrypt", encrypt)


def encrypt_again_on_retry() -> AbstractContextManager[object]:
    """After no answer, a message is encrypted again and sent as other bytes under the same key."""
    return patch.object(room_sender, "_stored", lambda transaction, key: None)


def ignore_closed() -> AbstractContextManager[object]:
    """A session is used on although a device that has its key lost access."""

    def decide(*arguments: Any, **named: Any) -> Decision:
        decision = _decide(*arguments, **named)
        outbound = arguments[3]
        return decision if outbound is None else Decision(**{**_fields(decision), "new_session": False})

    return patch.object(key_sharer, "decide", decide)


def _fields(decision: Decision) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in Decision.__dataclass_fields__}


def forget_position() -> AbstractContextManager[object]:
    """The position of the inbox is not in the transaction that works it off."""
    return patch.object(inbox, "move", lambda transaction, at: None)


def log_plaintext() -> AbstractContextManager[object]:
    """What is encrypted is also logged."""

    def build(room_id: str, content: Any) -> bytes:
        plaintext = _build(room_id, content)
        logging.getLogger("chatterbox.encryption").debug("encrypted %r", plaintext)
        return plaintext

    return patch.object(message_payload, "build", build)


def plain_text_on_disk() -> AbstractContextManager[object]:
    """Texts are kept in clear beside the key store."""
    write = device.Device.write

    def kept(self: device.Device, text: str) -> None:
        (self.path.parent / "outbox").write_text(text)
        write(self, text)

    return patch.object(device.Device, "write", kept)


def trust_unlisted() -> AbstractContextManager[object]:
    """Devices that the server shows for a user get keys, whether the user listed them or not."""
    return patch.object(trusted_users, "verify_user", lambda keys, user: None)


def no_replay_check() -> AbstractContextManager[object]:
    """It is not remembered where each message stood."""
    return patch.object(SeenBlock, "is_at", lambda *_: True)


def backup_unauthenticated() -> AbstractContextManager[object]:
    """What the server put into the key backup is taken as if a device of the user had."""

    def decrypt(item_keys: tuple[bytes, ...], item: BackupItem) -> ItemContent:
        try:
            return _decrypt_item(item_keys, item)
        except KeyBackupError:
            return msgspec.msgpack.decode(from_base64url(item.body), type=ItemContent)

    return patch.object(key_backup, "decrypt_item", decrypt)


def share_in_part() -> AbstractContextManager[object]:
    """The keys of a session are given to one device, and it is used as if all had them.

    The server takes no message then: found is what it protects, if that protection is taken away as well.
    """

    def decide(*arguments: Any, **named: Any) -> Decision:
        decision = _decide(*arguments, **named)
        return Decision(**{**_fields(decision), "share": decision.share[:1]})

    def finish(*arguments: Any, **named: Any) -> None:
        _finish_share(*arguments, **{**named, "missing": 0})

    stack = ExitStack()
    stack.enter_context(patch.object(key_sharer, "decide", decide))
    stack.enter_context(patch.object(key_sharer, "_finish_share", finish))
    return stack


MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    mutation.__name__: mutation
    for mutation in (
        transmit_before_commit, encrypt_again_on_retry, ignore_closed, forget_position, log_plaintext,
        plain_text_on_disk, trust_unlisted, no_replay_check, backup_unauthenticated,
    )
}  # fmt: skip
