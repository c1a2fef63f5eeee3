"""Gives commands about encrypted rooms what they need of the keys: an entry of the member log, or an encrypted topic.

The log is read to its end first. What the server refuses as stale is signed again, after what is new was read.
"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias, assert_never

import msgspec

from chatterbox.wire import room_names
from chatterbox.wire.encryption.device_keys import CrossSigningKey
from chatterbox.wire.encryption.envelope import to_base64url
from chatterbox.wire.encryption.member_log import (
    MemberEntry,
    MemberEntryKind,
    MemberLogError,
    NewcomerHistory,
    SignedMember,
    entry_hash,
)
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import CreateRoom, Invite, Leave, Remove, SetTopic
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import folded
from client.encryption.core.cross_signatures import public_key
from client.encryption.core.member_log_rules import HeldLog, entry_after
from client.encryption.core.trust import Trust
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.exchange.inbox_reader import DeviceInboxReader
from client.encryption.exchange.key_sharer import KeySharer
from client.encryption.exchange.room_sender import RoomSender
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, SignedCommand, WaitReason
from client.encryption.ports import DeviceAccount
from client.encryption.rooms import room_pins
from client.encryption.rooms.member_log_keeper import MemberLogKeeper
from client.encryption.rooms.room_pins import RoomPin
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker

NONCE_BYTES = 16

SignedHook: TypeAlias = Callable[[StoreTransaction, EncryptedRoom, MemberEntry], None]
"""Takes a room and an entry of its member log that this device signed."""


class _OwnSigner(NamedTuple):
    """What this user signs entries with."""

    member: SignedMember
    self_signing: CrossSigningKey
    seed: bytes


class CommandSigner:
    """Signs commands of one user."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        trusted: TrustedUsers,
        reader: DeviceInboxReader,
        sharer: KeySharer,
        sender: RoomSender,
        logs: MemberLogKeeper,
        limits: Callable[[], Limits],
    ) -> None:
        self._store = store
        self._account = account
        self._trusted = trusted
        self._reader = reader
        self._sharer = sharer
        self._sender = sender
        self._logs = logs
        self._limits = limits
        self.on_signed: list[SignedHook] = []
        """Called for each invitation that this device signs, in the transaction that signs it; they must not raise."""
        self._asked: dict[str, str] = {}
        """By room: a user whose changed keys hold an invitation back."""

    async def sign(
        self, command: SignedCommand, room: EncryptedRoom | None, history: NewcomerHistory | None
    ) -> SignedCommand:
        """As `MessageEncryption.sign`."""
        if isinstance(command, CreateRoom):
            return await self._store.run(
                partial(self._created, command=command, history=history or NewcomerHistory.JOINING)
            )
        assert room is not None  # noqa: S101 - all others are about a room that exists
        match command:
            case Invite():
                return await self._invited(command, room)
            case Remove():
                held = (await self._sharer.read_recipients(room)).held
                return await self._store.run(partial(self._removed, command=command, room=room, held=held))
            case Leave():
                held = (await self._sharer.read_recipients(room)).held
                return await self._store.run(partial(self._left, command=command, held=held))
            case SetTopic():
                if not command.topic:
                    return command
                content = await self._sender.encrypt_topic(room, command.topic)
                return msgspec.structs.replace(command, topic=content.envelope, recipients=content.recipients)
            case _:
                assert_never(command)

    def accept(self, transaction: StoreTransaction, room: EncryptedRoom) -> None:
        """The user invites all the same: take the changed keys of the user that was asked about."""
        username = self._asked.pop(room.name, "")
        user = self._trusted.by_name(transaction, username) if username else None
        if user is not None and not user.was_verified:
            self._trusted.accept_change(transaction, user.user_id, user.master)

    def _created(self, transaction: StoreTransaction, command: CreateRoom, history: NewcomerHistory) -> CreateRoom:
        """With the first entry: the same one until the server is known to have it, so that a lost answer can't harm."""
        author = self._author(transaction)
        name = room_names.room_name(command.room, self._limits())
        pin = room_pins.pin_of(transaction, name)
        entry = None
        if pin is not None and pin.is_offered:
            offered = self._logs.rows.entries(transaction, pin.uid)
            if len(offered) == 1 and offered[0].by == author.member and offered[0].history is history:
                [entry] = offered
        if entry is None:
            nonce = to_base64url(secrets.token_bytes(NONCE_BYTES))
            entry = _entry(HeldLog(), MemberEntryKind.CREATE, author, name, history=history, nonce=nonce)
            uid = entry_hash(entry)
            self._logs.rows.add(transaction, name, uid, [entry])
            room_pins.put(transaction, name, RoomPin(uid=uid, is_offered=True))
        return msgspec.structs.replace(command, entry=entry)

    async def _invited(self, command: Invite, room: EncryptedRoom) -> Invite:
        held = (await self._sharer.read_recipients(room)).held
        await self._reader.fetch_users([command.username])
        return await self._store.run(partial(self._with_invitation, command=command, room=room, held=held))

    def _with_invitation(
        self, transaction: StoreTransaction, command: Invite, room: EncryptedRoom, held: HeldLog
    ) -> Invite:
        author, name = self._author(transaction), command.username
        user = self._trusted.by_name(transaction, name)
        if user is None:
            raise ChatError(
                Code.USER_UNKNOWN,
                f"{name} has no keys yet: {name} must log in once with a program that encrypts. Invite {name} then.",
            )
        if user.trust is Trust.CHANGED:
            self._asked[room.name] = user.username
            reason = WaitReason.VERIFIED_KEYS_CHANGED if user.was_verified else WaitReason.KEYS_CHANGED
            raise EncryptionWaits(reason, (user.username,))
        member = SignedMember(user_id=user.user_id, username=user.username, master=user.master)
        entry = _entry(held, MemberEntryKind.INVITE, author, room.name, member=member)
        for hook in self.on_signed:
            hook(transaction, room, entry)
        return msgspec.structs.replace(command, entry=entry)

    def _removed(self, transaction: StoreTransaction, command: Remove, room: EncryptedRoom, held: HeldLog) -> Remove:
        name = folded(command.username)
        member = next((each for each in held.log.members.values() if folded(each.username) == name), None)
        if member is not None:
            entry = _entry(held, MemberEntryKind.REMOVE, self._author(transaction), room.name, member=member)
            return msgspec.structs.replace(command, entry=entry)
        last = next(iter(self._logs.rows.entries(transaction, room.uid, held.seq - 1)), None)
        gone = last.member if last is not None and last.kind is MemberEntryKind.REMOVE else None
        if last is not None and gone is not None and folded(gone.username) == name:  # the answer was lost
            return msgspec.structs.replace(command, entry=last)
        return command

    def _left(self, transaction: StoreTransaction, command: Leave, held: HeldLog) -> Leave:
        author = self._author(transaction)
        if held.log.members.get(author.member.user_id) != author.member:
            return command
        entry = _entry(held, MemberEntryKind.REMOVE, author, held.log.room, member=author.member)
        return msgspec.structs.replace(command, entry=entry)

    def _author(self, transaction: StoreTransaction) -> _OwnSigner:
        """Raises `EncryptionWaits` if this device may not sign for the user."""
        if (obstacle := self._account.obstacle(transaction)) is not None:
            raise EncryptionWaits(obstacle)
        identity = DeviceIdentity.load(transaction)
        keys = None if identity is None else self._trusted.keys(transaction, identity.user_id)
        if identity is None or keys is None:
            raise EncryptionWaits(WaitReason.DEVICE_PENDING)
        seed = identity.secrets(transaction).self_signing
        if not seed or public_key(seed) != keys.self_signing.public_key:
            raise EncryptionWaits(WaitReason.DEVICE_PENDING)
        member = SignedMember(user_id=identity.user_id, username=identity.username, master=keys.master.public_key)
        return _OwnSigner(member, keys.self_signing, seed)


def _entry(
    held: HeldLog,
    kind: MemberEntryKind,
    author: _OwnSigner,
    room: str,
    *,
    member: SignedMember | None = None,
    history: NewcomerHistory = NewcomerHistory.JOINING,
    nonce: str = "",
) -> MemberEntry:
    """The next entry; raises `ChatError` if the user may not add it."""
    try:
        return entry_after(
            held,
            kind,
            author.member,
            author.self_signing,
            author.seed,
            room=room,
            member=member,
            history=history,
            nonce=nonce,
        )
    except MemberLogError as problem:
        me = author.member.username
        present = held.log.members.get(author.member.user_id)
        if held.seq and present is not None and present.master != author.member.master:
            raise ChatError(
                Code.NOT_ALLOWED,
                f"Your keys changed since you were invited to {room}. Ask a member to invite you again: /invite {me}",
            ) from problem
        raise ChatError(Code.NOT_ALLOWED, str(problem)) from problem
