"""Encrypts messages of this user for all who can read a room, after sharing the keys with them.

In the steady state a message takes one transaction and no command. The server refuses it if who can read has changed;
then the recipients are read, the keys are shared with those who are new, or a new session begins if someone left.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from chatterbox.wire import direct_names
from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from client.encryption.core.messages import message_payload
from client.encryption.core.messages.message_payload import (
    Content,
    EditContent,
    EncryptedFile,
    LogPlace,
    ReactionContent,
    TextContent,
    TopicContent,
)
from client.encryption.core.messages.recipient_decision import is_worn_out
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.exchange.key_sharer import KeySharer
from client.encryption.exchange.sender_lock import SenderLocks
from client.encryption.message_encryption import (
    EncryptedContent,
    EncryptedRoom,
    EncryptionWaits,
    PlainContent,
    WaitReason,
)
from client.encryption.ports import DeviceAccount
from client.encryption.rooms.member_log_rows import MemberLogRows
from client.encryption.sessions import room_sessions
from client.encryption.sessions.room_sessions import OutboundRecord
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table
from client.encryption.store_worker import StoreWorker

TRIES = 5
"""How often the keys are shared for one message before it waits: who can read keeps changing."""


class StoredEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a message of the outbox was encrypted to: a row of `Table.ENVELOPES`, named by the key of the message."""

    envelope: str
    recipients: int
    uid: str
    session: str
    n: int
    """The number of the text; 0 for an edit and for reactions."""


class RoomSender:
    """Encrypts for the rooms of one user."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        users: UserDirectory,
        sharer: KeySharer,
        logs: MemberLogRows,
        locks: SenderLocks,
        window: Callable[[str], RoomWindow | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`window`: what was shown of a room, by its uid."""
        self.limits = Limits()
        self._store = store
        self._account = account
        self._users = users
        self._sharer = sharer
        self._logs = logs
        self._sender_locks = locks
        self._window = window
        self._now_ms = now_ms
        self._locks: dict[str, asyncio.Lock] = {}
        self._versions: dict[str, int] = {}
        """The newest version of the recipients that the server told, by room name."""

    def note_version(self, room: str, recipients: int) -> None:
        """The server said that who can read a room has changed."""
        self._versions[room] = max(recipients, self._versions.get(room, 0))

    async def encrypt(self, key: str, room: EncryptedRoom, content: PlainContent, *, again: bool) -> EncryptedContent:
        """As `MessageEncryption.encrypt`."""
        if not again and (stored := await self._store.run(partial(_stored, key=key))) is not None:
            return EncryptedContent(stored.envelope, stored.recipients)
        async with self._locks.setdefault(room.uid, asyncio.Lock()):
            await self._sender_locks.acquire(room.uid, key)
            if again:
                await self._store.run(partial(_give_back, key=key))
            for attempt in range(TRIES + 1):
                must_ask = again and attempt == 0
                if not must_ask:
                    done = await self._store.run(partial(self._encrypted, key=key, room=room, content=content))
                    if done is not None:
                        return done
                if attempt < TRIES:
                    await self._share(room)
        raise EncryptionWaits(WaitReason.RECIPIENTS_CHANGING)

    async def encrypt_topic(self, room: EncryptedRoom, topic: str) -> EncryptedContent:
        """Encrypt the topic of a room for all who can read it now. Raises as `encrypt` does."""
        async with self._locks.setdefault(room.uid, asyncio.Lock()):
            for _ in range(TRIES):
                await self._share(room)
                done = await self._store.run(partial(self._encrypted_topic, room=room, topic=topic))
                if done is not None:
                    return done
        raise EncryptionWaits(WaitReason.RECIPIENTS_CHANGING)

    async def _share(self, room: EncryptedRoom) -> None:
        version = await self._sharer.share(room)
        if version is not None:
            self._versions[room.name] = version

    def _encrypted_topic(
        self, transaction: StoreTransaction, room: EncryptedRoom, topic: str
    ) -> EncryptedContent | None:
        record = self._ready(transaction, room)
        if record is None:
            return None
        identity = _identity(transaction)
        own = self._users.user(transaction, identity.username)
        content = TopicContent(topic=topic, list_version=own.version if own else 0)
        plaintext = message_payload.build(matrix_room(room.uid), content)
        envelope = str(room_sessions.encrypt(transaction, room.uid, record, identity.device_id, plaintext))
        if len(envelope) > self.limits.topic_envelope_bytes:
            detail = f"Encrypted, the topic has {len(envelope)} bytes; at most {self.limits.topic_envelope_bytes} are "
            raise ChatError(Code.TOPIC_INVALID, detail + "allowed.")
        return EncryptedContent(envelope, record.ready)

    def _ready(self, transaction: StoreTransaction, room: EncryptedRoom) -> OutboundRecord | None:
        """The room's session, if it may encrypt now; None: its key must be shared first. Raises `EncryptionWaits`."""
        if (obstacle := self._account.obstacle(transaction)) is not None:
            raise EncryptionWaits(obstacle)
        record = room_sessions.outbound(transaction, room.uid)
        if record is None or record.ready < max(0, self._versions.get(room.name, 0)) or self._is_worn_out(record, room):
            return None
        return None if record.log < self._logs.held(transaction, room.uid).seq else record

    def _encrypted(
        self, transaction: StoreTransaction, key: str, room: EncryptedRoom, content: PlainContent
    ) -> EncryptedContent | None:
        """Encrypt with the room's session; None if its key must be shared first."""
        if (stored := _stored(transaction, key)) is not None:
            return EncryptedContent(stored.envelope, stored.recipients)
        record = self._ready(transaction, room)
        if record is None:
            return None
        identity = _identity(transaction)
        inner = self._inner(transaction, room, content, record, identity)
        if isinstance(inner, TextContent):
            record.n = inner.n
        plaintext = message_payload.build(matrix_room(room.uid), inner)
        envelope = str(room_sessions.encrypt(transaction, room.uid, record, identity.device_id, plaintext))
        self._require_size(envelope, content)
        stored = StoredEnvelope(
            envelope=envelope,
            recipients=record.ready,
            uid=room.uid,
            session=record.session,
            n=inner.n if isinstance(inner, TextContent) else 0,
        )
        transaction.put(Table.ENVELOPES, key, msgspec.msgpack.encode(stored))
        return EncryptedContent(envelope, record.ready)

    def _is_worn_out(self, record: OutboundRecord, room: EncryptedRoom) -> bool:
        age_s = (self._now_ms() - record.began_ms) / 1000
        return is_worn_out(record.messages, age_s, direct=bool(direct_names.people(room.name)))

    def _inner(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        content: PlainContent,
        record: OutboundRecord,
        identity: DeviceIdentity,
    ) -> Content:
        own = self._users.user(transaction, identity.username)
        version, window = own.version if own else 0, self._window(room.uid)
        files = tuple(file for file in content.files if isinstance(file, EncryptedFile))
        if len(files) != len(content.files):
            raise EncryptionWaits(WaitReason.FAILED, detail="A file of the message is not encrypted.")
        if not content.offset:
            return TextContent(
                text=content.text,
                n=record.n + 1,
                list_version=version,
                before=record.before if record.n == 0 else None,
                window=window.newest() if window else None,
                log=self._log_place(transaction, room),
                reply_to=content.reply_to,
                files=files,
            )
        of = window.place(content.offset) if window else None
        if content.reactions is not None:
            return ReactionContent(emoji=content.reactions, offset=content.offset, of=of, list_version=version)
        return EditContent(
            text=content.text,
            offset=content.offset,
            of=of,
            list_version=version,
            reply_to=content.reply_to,
            files=files,
        )

    def _log_place(self, transaction: StoreTransaction, room: EncryptedRoom) -> LogPlace | None:
        held = self._logs.held(transaction, room.uid)
        return LogPlace(held.seq, held.log.head) if held.seq else None

    def _require_size(self, envelope: str, content: PlainContent) -> None:
        is_reaction = content.reactions is not None
        limit = self.limits.reaction_envelope_bytes if is_reaction else self.limits.envelope_bytes
        if len(envelope) > limit:
            detail = f"Encrypted, the message has {len(envelope)} bytes; at most {limit} are allowed."
            raise ChatError(Code.CONTENT_TOO_LONG, detail)


def _stored(transaction: StoreTransaction, key: str) -> StoredEnvelope | None:
    row = transaction.get(Table.ENVELOPES, key)
    return None if row is None else msgspec.msgpack.decode(row, type=StoredEnvelope)


def _give_back(transaction: StoreTransaction, key: str) -> None:
    """The server refused an envelope: it is encrypted again, and its number is free if it is the last one."""
    stored = _stored(transaction, key)
    if stored is None:
        return
    transaction.delete(Table.ENVELOPES, key)
    record = room_sessions.outbound(transaction, stored.uid)
    if record is not None and record.session == stored.session and 0 < record.n == stored.n:
        record.n -= 1
        room_sessions.put_outbound(transaction, stored.uid, record)


def forget(transaction: StoreTransaction, key: str, *, stored: bool) -> None:
    """A message is stored, or was refused or taken back for good: its envelope is not needed any more."""
    if not stored:
        _give_back(transaction, key)
    transaction.delete(Table.ENVELOPES, key)


def _identity(transaction: StoreTransaction) -> DeviceIdentity:
    identity = DeviceIdentity.load(transaction)
    assert identity is not None  # noqa: S101 - the device is set up before it encrypts
    return identity
