"""Mistakes planted into the client's engine. A schedule must find each of them."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from client.encryption.core.messages import message_payload, recipient_decision
from client.encryption.core.messages.recipient_decision import Decision
from client.encryption.exchange import room_sender
from client.encryption.sessions import inbox, room_sessions
from client.encryption.store.key_store import StoreTransaction
from tests.simulation.encryption import device

_encrypt = room_sessions.encrypt
_decide = recipient_decision.decide
_build = message_payload.build


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

    return patch.object(room_sender, "decide", decide)


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


MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    mutation.__name__: mutation
    for mutation in (
        transmit_before_commit, encrypt_again_on_retry, ignore_closed, forget_position, log_plaintext,
        plain_text_on_disk,
    )
}  # fmt: skip
