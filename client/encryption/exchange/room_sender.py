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
from chatterbox.wire.frames.encryption import (
    DeviceAddress,
    KeysShared,
    ReadRecipients,
    Recipients,
    ShareKeys,
    Withheld,
    WithheldReason,
)
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import folded
from client.encryption.command_link import CommandLink
from client.encryption.core.messages import message_payload
from client.encryption.core.messages.message_payload import (
    Content,
    EditContent,
    EncryptedFile,
    ReactionContent,
    TextContent,
)
from client.encryption.core.messages.recipient_decision import Decision, RecipientMember, decide, is_worn_out
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.exchange.inbox_reader import DeviceInboxReader
from client.encryption.exchange.sender_lock import SenderLocks
from client.encryption.exchange.to_device_sender import ToDeviceSender
from client.encryption.message_encryption import (
    EncryptedContent,
    EncryptedRoom,
    EncryptionWaits,
    PlainContent,
    WaitReason,
)
from client.encryption.ports import DeviceAccount
from client.encryption.sessions import room_sessions, to_device_queue
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.sessions.room_sessions import ROOM_KEY, OutboundRecord
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
        reader: DeviceInboxReader,
        queue: ToDeviceSender,
        locks: SenderLocks,
        link: Callable[[], CommandLink],
        window: Callable[[str], RoomWindow | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`window`: what was shown of a room, by its uid."""
        self.limits = Limits()
        self._store = store
        self._account = account
        self._users = users
        self._reader = reader
        self._queue = queue
        self._sender_locks = locks
        self._link = link
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

    def _encrypted(
        self, transaction: StoreTransaction, key: str, room: EncryptedRoom, content: PlainContent
    ) -> EncryptedContent | None:
        """Encrypt with the room's session; None if its key must be shared first."""
        if (stored := _stored(transaction, key)) is not None:
            return EncryptedContent(stored.envelope, stored.recipients)
        if (obstacle := self._account.obstacle(transaction)) is not None:
            raise EncryptionWaits(obstacle)
        record = room_sessions.outbound(transaction, room.uid)
        if record is None or record.ready < max(0, self._versions.get(room.name, 0)) or self._is_worn_out(record, room):
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

    def _require_size(self, envelope: str, content: PlainContent) -> None:
        is_reaction = content.reactions is not None
        limit = self.limits.reaction_envelope_bytes if is_reaction else self.limits.envelope_bytes
        if len(envelope) > limit:
            detail = f"Encrypted, the message has {len(envelope)} bytes; at most {limit} are allowed."
            raise ChatError(Code.CONTENT_TOO_LONG, detail)

    async def _share(self, room: EncryptedRoom) -> None:
        """Give the room's key to all who can read it now; the room's session is ready then, unless that changed."""
        people = direct_names.people(room.name)
        known = await self._store.run(self._users.versions)
        if people:
            names = set(map(folded, people))
            known = {username: version for username, version in known.items() if folded(username) in names}
        recipients = await self._link().ask(ReadRecipients(id=0, room=room.name, known=known))
        assert isinstance(recipients, Recipients)  # noqa: S101 - the reply of its command
        await self._reader.accept(recipients.lists)
        self._require_people(room, recipients)
        decision, wanted = await self._store.run(partial(self._decision, room=room, recipients=recipients))
        failed = await self._reader.claim(wanted) if wanted else set()
        own = (await self._store.run(_identity)).username
        self._require_keys(decision, failed, {name for name in people if folded(name) != folded(own)})
        session = await self._store.run(
            partial(self._queue_share, room=room, recipients=recipients, decision=decision, failed=failed)
        )
        sent = await self._queue.flush()
        if session in sent.stale:
            return
        missing = sent.missing.get(session)
        if missing is None:  # another process sent it
            missing = await self._missing(room, session, recipients.recipients)
        await self._store.run(
            partial(_finish_share, uid=room.uid, session=session, version=recipients.recipients, missing=missing)
        )
        self._versions[room.name] = recipients.recipients

    async def _missing(self, room: EncryptedRoom, session: str, version: int) -> int:
        identity = await self._store.run(_identity)
        share = ShareKeys(id=0, room=room.name, device=identity.device_id, session=session, recipients=version)
        try:
            reply = await self._link().ask(share)
        except ChatError as refusal:
            if refusal.code is not Code.RECIPIENTS_STALE:
                raise
            return 1
        assert isinstance(reply, KeysShared)  # noqa: S101 - the reply of its command
        return reply.missing

    def _require_people(self, room: EncryptedRoom, recipients: Recipients) -> None:
        """Raise `EncryptionWaits` if a member has no device that can read."""
        without = set(recipients.without)
        present = {folded(device.username) for device in recipients.devices}
        without |= {name for name in direct_names.people(room.name) if folded(name) not in present}
        if without:
            raise EncryptionWaits(WaitReason.NO_KEYS, tuple(sorted(without)))

    def _decision(
        self, transaction: StoreTransaction, room: EncryptedRoom, recipients: Recipients
    ) -> tuple[Decision, list[DeviceAddress]]:
        """Who gets the key, and with which of them there is no Olm session yet."""
        identity = _identity(transaction)
        own = next(
            (device for device in recipients.devices if device.device == identity.device_id),
            None,
        )
        if own is None or folded(own.username) != folded(identity.username):
            raise EncryptionWaits(WaitReason.DEVICE_PENDING)
        people = set(map(folded, direct_names.people(room.name)))
        members, was_verified = {}, set()
        for username in {device.username for device in recipients.devices}:
            user = self._users.user(transaction, username)
            if user is None or (people and folded(username) not in people):
                continue
            members[username] = RecipientMember(user.trust, frozenset(user.devices), frozenset(user.removed))
            if user.was_verified:
                was_verified.add(username)
        decision = decide(
            recipients.devices,
            own,
            members,
            room_sessions.outbound_facts(transaction, room.uid, self._now_ms()),
            closed_at=recipients.closed_at,
            direct=bool(people),
        )
        if decision.waits_for:
            verified = was_verified.intersection(decision.waits_for)
            reason = WaitReason.VERIFIED_KEYS_CHANGED if verified else WaitReason.KEYS_CHANGED
            raise EncryptionWaits(reason, tuple(sorted(verified)) or decision.waits_for)
        olm = OlmSessions(transaction, identity)
        devices = self._users.devices(transaction, decision.share)
        return decision, [address for address, device in devices.items() if not olm.has_session(device)]

    def _require_keys(self, decision: Decision, failed: set[DeviceAddress], others: set[str]) -> None:
        """Raise `EncryptionWaits` if one of the others in a direct conversation would get no key at all."""
        given = {device.username for device in decision.share if device not in failed} | decision.holders
        names = set(map(folded, given))
        if without := {name for name in others if folded(name) not in names}:
            raise EncryptionWaits(WaitReason.NO_KEYS, tuple(sorted(without)))

    def _queue_share(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        recipients: Recipients,
        decision: Decision,
        failed: set[DeviceAddress],
    ) -> str:
        """Queue the room's key for those who are to have it; returns the session."""
        identity = _identity(transaction)
        own = self._users.user(transaction, identity.username)
        record = room_sessions.outbound(transaction, room.uid)
        if record is None or decision.new_session:
            master = own.master if own else ""
            record = room_sessions.begin_outbound(transaction, room.uid, identity, master, self._now_ms())
        olm = OlmSessions(transaction, identity, own.version if own else 0)
        content = room_sessions.room_key(record, room.uid)
        messages, withheld = [], list(decision.withheld)
        devices = self._users.devices(transaction, set(decision.share) - failed)
        for address in decision.share:
            device = devices.get(address)
            message = None if device is None else olm.encrypt(device, ROOM_KEY, content)
            if message is None:
                withheld.append(Withheld(*address, WithheldReason.NO_KEYS))
            else:
                messages.append(msgspec.structs.replace(message, to=address))
        if record.began_at is None:
            record.began_at = recipients.recipients
        room_sessions.put_outbound(transaction, room.uid, record)
        room_sessions.note_shared(transaction, room.uid, record, [message.to for message in messages])
        share = ShareKeys(
            id=0,
            room=room.name,
            device=identity.device_id,
            session=record.session,
            recipients=recipients.recipients,
        )
        to_device_queue.add_share(transaction, share, messages, withheld)
        return record.session


def _finish_share(transaction: StoreTransaction, uid: str, session: str, version: int, missing: int) -> None:
    """The session may be used for this version of the recipients; or the server has no record of some shares."""
    record = room_sessions.outbound(transaction, uid)
    if record is None or record.session != session:
        return
    if missing:
        room_sessions.forget_records(transaction, uid, session)
    else:
        record.ready = version
        room_sessions.put_outbound(transaction, uid, record)


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
