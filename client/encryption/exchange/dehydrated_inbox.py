"""Reads the to-device messages of the dehydrated device, over the connection of another device of its owner."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import vodozemac

from chatterbox.wire.encryption.device_keys import matrix_user
from chatterbox.wire.frames import EncryptionCommand, EncryptionReply, ToDevice
from chatterbox.wire.frames.encryption import DeviceAddress, Inbox, OpenInbox, Take, ToDeviceKind
from client.encryption.core.messages import olm_payload
from client.encryption.core.messages.olm_payload import OlmParty, OlmPayload, OlmPayloadError
from client.encryption.core.messages.room_history import ROOM_HISTORY
from client.encryption.device.dehydrated_device import DehydratedAccount
from client.encryption.device.device_identity import PICKLE_KEY
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.rooms import earlier_keys
from client.encryption.sessions import room_sessions
from client.encryption.sessions.base64_text import from_base64
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction

PUSH_S = 15.0
"""How long the next message of an inbox that has some is waited for (seconds)."""
_BATCH = 50

Ask = Callable[[EncryptionCommand], Awaitable[EncryptionReply]]
Run = Callable[[Callable[[StoreTransaction], Any]], Awaitable[Any]]
"""Does work in one transaction, in the thread of the store."""


@dataclass(slots=True)
class DehydratedMessages:
    """What came out of a dehydrated device's inbox."""

    arrived: set[tuple[str, str]] = field(default_factory=set)
    """Sessions with which more can be read: the room's uid and the session's id."""
    read: int = 0
    bad: int = 0
    """Messages that do not decrypt, or whose sender is in no list."""


class DehydratedInbox:
    """The inbox of a dehydrated device. Its account never answers, so it needs no sessions of its own on disk."""

    def __init__(self, account: DehydratedAccount, users: UserDirectory) -> None:
        self.device_id = account.device_id
        self._account = vodozemac.Account.from_pickle(account.pickle, PICKLE_KEY)
        self._me = OlmParty(account.identity.matrix_user, self._account.ed25519_key.to_base64())
        self._users = users
        self._pushes: asyncio.Queue[ToDevice] = asyncio.Queue()  # bounded: the server keeps `inbox_messages` at most
        self._sessions: dict[str, list[vodozemac.Session]] = {}

    def take(self, push: ToDevice) -> None:
        """Take a push to this dehydrated device."""
        self._pushes.put_nowait(push)

    async def read(
        self, ask: Ask, run: Run, fetch_users: Callable[[Iterable[str]], Awaitable[None]]
    ) -> DehydratedMessages:
        """Read the inbox to its head; the keys of senders are fetched before.

        What is read is stored before the server may forget it. If messages stop coming, the rest is read next time.
        """
        found = DehydratedMessages()
        opened = await ask(OpenInbox(id=0, device=self.device_id))
        assert isinstance(opened, Inbox)  # noqa: S101 - the reply to the command
        done = opened.at.offset
        while done < opened.head and (batch := await self._batch()):
            new = [push for push in batch if push.at.offset > done]
            if not new:
                continue
            await fetch_users({push.username for push in new})
            await run(partial(self._work_off, pushes=new, found=found))
            done = new[-1].at.offset
            await ask(Take(id=0, device=self.device_id, upto=done))
        return found

    async def _batch(self) -> list[ToDevice]:
        """What was pushed; empty if nothing comes."""
        batch = []
        with suppress(TimeoutError):
            batch.append(await asyncio.wait_for(self._pushes.get(), PUSH_S))
        while batch and len(batch) < _BATCH and not self._pushes.empty():
            batch.append(self._pushes.get_nowait())
        return batch

    def _work_off(self, transaction: StoreTransaction, pushes: Sequence[ToDevice], found: DehydratedMessages) -> None:
        for push in pushes:
            found.read += 1
            device = self._users.device(transaction, DeviceAddress(push.username, push.sender))
            payload = self._payload(device, push) if device else None
            if device is None or payload is None:
                found.bad += 1
            elif payload.type in {room_sessions.ROOM_KEY, room_sessions.FORWARDED_ROOM_KEY}:
                user = self._users.user(transaction, push.username)
                master = user.master if user else ""
                arrived = room_sessions.take_room_key(transaction, payload.content, device, master)
                if arrived is not None:
                    found.arrived.add(arrived)
            elif payload.type == ROOM_HISTORY:
                found.arrived |= earlier_keys.receive(transaction, payload.content, device)

    def _payload(self, device: TrustedDevice, push: ToDevice) -> OlmPayload | None:
        if push.kind is ToDeviceKind.CLEAR:
            return None
        sender = OlmParty(matrix_user(device.user_id), device.ed25519)
        try:
            plaintext = self._plaintext(device, push)
            return olm_payload.parse(plaintext, sender=sender, recipient=self._me)
        except (ValueError, OlmPayloadError):
            return None

    def _plaintext(self, device: TrustedDevice, push: ToDevice) -> bytes:
        """Decrypt. This device never answers, so each message begins a session, or repeats its beginning."""
        kind = 0 if push.kind is ToDeviceKind.OLM_FIRST else 1
        message = vodozemac.AnyOlmMessage.from_parts(kind, from_base64(push.body))
        first = message.to_pre_key()
        sessions = self._sessions.setdefault(device.curve25519, [])
        for session in sessions:
            if first is None or session.session_matches(first):
                return session.decrypt(message)
        if first is None:
            raise ValueError("no session decrypts it")
        key = vodozemac.Curve25519PublicKey.from_base64(device.curve25519)
        session, plaintext = self._account.create_inbound_session(key, first)
        sessions.append(session)
        return plaintext
