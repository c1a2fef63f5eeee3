"""A small server model for encryption in memory, and devices that use the real facade, key store and vodozemac."""

import asyncio
import itertools
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.device_keys import DeviceList, SignedKey, UserKeys, matrix_user
from chatterbox.wire.encryption.key_api import OneTimeKeysUpload, WithheldKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.encryption.signatures import device_hash
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import (
    EncryptionCommand,
    EncryptionReply,
    Message,
    Reaction,
    RecipientsUpdate,
    ToDevice,
    Welcome,
)
from chatterbox.wire.frames.encryption import (
    Claim,
    Claimed,
    ClaimedKey,
    Delivered,
    DeviceAddress,
    Inbox,
    KeysShared,
    OpenInbox,
    OutgoingToDevice,
    ReadRecipients,
    Recipients,
    SendToDevice,
    ShareKeys,
    Take,
    Taken,
)
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.encryption.client_encryption import Encryption
from client.encryption.command_link import LinkBroken
from client.encryption.core.cross_signatures import cross_signing_key, public_key, signed_by
from client.encryption.core.trust import DecryptedMessage
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.message_encryption import EncryptedContent, EncryptedRoom, PlainContent, WaitReason
from client.encryption.sessions import own_one_time_keys
from client.encryption.store.key_store import KEY_BYTES, KeyStore, StoreTransaction
from client.encryption.store_worker import StoreWorker

EPOCH = "epoch-1"


@dataclass
class ModelInbox:
    epoch: str = "inbox-1"
    floor: int = 0
    messages: list[tuple[int, ToDevice]] = field(default_factory=list)
    head: int = 0


@dataclass
class ModelSession:
    device: DeviceAddress
    began_at: int
    recipients: int = 0
    given: set[DeviceAddress] = field(default_factory=set)
    withheld: dict[DeviceAddress, str] = field(default_factory=dict)


@dataclass
class ModelUser:
    """A user, whose keys sign the devices."""

    user_id: int
    username: str
    master: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    self_signing: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    version: int = 0
    devices: dict[str, "ModelDevice"] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    shown: UserKeys | None = None

    def sign(self) -> UserKeys:
        """The next device list, of the devices that there are."""
        self.version += 1
        name = matrix_user(self.user_id)
        keys = {
            device_id: signed_by(device.public_keys, name, self.self_signing)
            for device_id, device in self.devices.items()
        }
        listed = DeviceList(
            user_id=name,
            username=self.username,
            generation=1,
            version=self.version,
            devices={device_id: device_hash(each) for device_id, each in keys.items()},
            removed=self.removed,
            dehydrated="",
            signatures={},
        )
        self.shown = UserKeys(
            username=self.username,
            user_id=self.user_id,
            master=cross_signing_key(self.user_id, "master", self.master),
            self_signing=signed_by(
                cross_signing_key(self.user_id, "self_signing", self.self_signing), name, self.master
            ),
            list=signed_by(listed, name, self.self_signing),
            device_keys=keys,
        )
        assert self.shown.master.public_key == public_key(self.master)
        return self.shown


class ModelServer:
    """One encrypted direct conversation of ada and bob, with the server's rules for keys and messages.

    Every push is delivered in order to the devices that are connected, unless `holds_pushes`.
    """

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.now_ms = 1_790_000_000_000
        self.room = EncryptedRoom(f"@{'~'.join(sorted(names if len(names) > 1 else names * 2))}", "U" * 22)
        self.users = {name: ModelUser(number, name) for number, name in enumerate(names, 1)}
        self.inboxes: dict[DeviceAddress, ModelInbox] = {}
        self.one_time: dict[DeviceAddress, dict[str, SignedKey]] = {}
        self.fallback: dict[DeviceAddress, dict[str, SignedKey]] = {}
        self.fallback_used: set[DeviceAddress] = set()
        self.counts: dict[tuple[DeviceAddress, DeviceAddress], int] = {}
        self.sessions: dict[str, ModelSession] = {}
        self.recipients = 1
        self.closed_at = 0
        self.messages: list[Message] = []
        self.keys: dict[str, Message] = {}
        self.asleep: set[DeviceAddress] = set()
        self.commands: list[EncryptionCommand] = []
        self.entitled: dict[int, frozenset[DeviceAddress]] = {}
        self.holds_pushes = False
        self.lists_hidden: dict[str, UserKeys] = {}
        self.ghosts: list[DeviceAddress] = []
        self.opened: list[ModelDevice] = []

    # devices

    def devices(self) -> list[DeviceAddress]:
        listed = [
            DeviceAddress(user.username, device_id)
            for user in self.users.values()
            for device_id in (user.shown.list.devices if user.shown else ())
        ]
        return [each for each in listed if each not in self.asleep] + self.ghosts

    def device(self, address: DeviceAddress) -> "ModelDevice | None":
        return self.users[address.username].devices.get(address.device)

    def changed(self, *, lost: bool = False) -> None:
        """Who can read has changed."""
        self.recipients += 1
        if lost:
            self.closed_at = self.recipients

    async def log_in(self, username: str) -> "ModelDevice":
        """A new device, which is listed at once."""
        user = self.users[username]
        device = ModelDevice(self, user)
        await device.make()
        user.devices[device.id] = device
        user.sign()
        self.inboxes[device.address] = ModelInbox()
        self.changed()
        await device.connect()
        return device

    def remove(self, device: "ModelDevice") -> None:
        """The owner of a device removes it."""
        user = self.users[device.address.username]
        del user.devices[device.id]
        user.removed += (device.id,)
        user.sign()
        self.changed(lost=True)

    def take_back(self, entries: Sequence[MemberEntry]) -> None:
        """A direct conversation has no member log."""
        raise AssertionError("there is no member log")

    # commands

    def answer(self, sender: DeviceAddress, command: EncryptionCommand) -> EncryptionReply:
        self.commands.append(command)
        match command:
            case ReadRecipients():
                return self._recipients(command)
            case Claim():
                return self._claim(command)
            case ShareKeys():
                return self._share(sender, command)
            case SendToDevice():
                self._check_numbers(sender, command.messages)
                self._deliver(sender, command.messages)
                return Delivered(id=command.id)
            case OpenInbox():
                return self._open(sender, command)
            case Take():
                inbox = self.inboxes[sender]
                inbox.messages = [each for each in inbox.messages if each[0] > command.upto]
                inbox.floor = max(inbox.floor, command.upto)
                return Taken(id=command.id, device=command.device, upto=command.upto)

    def _recipients(self, command: ReadRecipients) -> Recipients:
        devices = self.devices()
        lists = [
            self.lists_hidden.get(user.username, user.shown)
            for user in self.users.values()
            if user.shown and user.shown.list.version > command.known.get(user.username, 0)
        ]
        without = tuple(name for name in self.users if not any(each.username == name for each in devices))
        return Recipients(
            id=command.id,
            room=command.room,
            recipients=self.recipients,
            devices=devices,
            lists=[each for each in lists if each],
            closed_at=self.closed_at,
            without=without,
        )

    def _claim(self, command: Claim) -> Claimed:
        keys, missing = [], []
        for address in command.of:
            held = self.one_time.get(address, {})
            if held:
                key_id = next(iter(held))
                keys.append(
                    ClaimedKey(username=address.username, device=address.device, key_id=key_id, key=held.pop(key_id))
                )
            elif fallback := self.fallback.get(address):
                [(key_id, key)] = fallback.items()
                self.fallback_used.add(address)
                keys.append(ClaimedKey(username=address.username, device=address.device, key_id=key_id, key=key))
            else:
                missing.append(address)
        return Claimed(id=command.id, keys=keys, missing=tuple(missing))

    def _share(self, sender: DeviceAddress, command: ShareKeys) -> KeysShared:
        if command.recipients != self.recipients:
            raise ChatError(Code.RECIPIENTS_STALE)
        session = self.sessions.get(command.session)
        if session is not None and session.began_at < self.closed_at:
            raise ChatError(Code.RECIPIENTS_STALE)
        devices = self.devices()
        if any(message.to not in devices for message in command.messages):
            raise ChatError(Code.RECIPIENTS_STALE)
        self._check_numbers(sender, command.messages)
        if session is None:
            session = self.sessions[command.session] = ModelSession(sender, self.recipients)
        self._deliver(sender, command.messages)
        session.given |= {message.to for message in command.messages}
        reasons = {DeviceAddress(each.username, each.device): each.reason.value for each in command.withheld}
        session.given |= reasons.keys()
        session.withheld |= reasons
        missing = len(set(devices) - session.given - {sender})
        if not missing:
            session.recipients = self.recipients
        return KeysShared(id=command.id, room=command.room, session=command.session, missing=missing)

    def _check_numbers(self, sender: DeviceAddress, messages: Sequence[OutgoingToDevice]) -> None:
        counts = dict(self.counts)
        for message in messages:
            if message.to not in self.inboxes or message.to.device in self.users[message.to.username].removed:
                raise ChatError(Code.DEVICE_REMOVED, f"{message.to.username} removed {message.to.device}.")
            last = counts.get((sender, message.to), 0)
            if message.n > last + 1:
                raise ChatError(
                    Code.TO_DEVICE_GAP,
                    f"The next message to {message.to.device} of {message.to.username} has n = {last + 1}.",
                )
            counts[sender, message.to] = max(last, message.n)

    def _deliver(self, sender: DeviceAddress, messages: Sequence[OutgoingToDevice]) -> None:
        for message in messages:
            if message.n <= self.counts.get((sender, message.to), 0):
                continue
            self.counts[sender, message.to] = message.n
            inbox = self.inboxes[message.to]
            inbox.head += 1
            push = ToDevice(
                device=message.to.device,
                at=Position(inbox.epoch, inbox.head),
                username=sender.username,
                sender=sender.device,
                n=message.n,
                kind=message.kind,
                body=message.body,
            )
            inbox.messages.append((inbox.head, push))
            device = self.device(message.to)
            if device is not None and device.has_inbox and not self.holds_pushes:
                device.encryption.take(push)

    def _open(self, sender: DeviceAddress, command: OpenInbox) -> Inbox:
        inbox, device = self.inboxes[sender], self.device(sender)
        is_same = command.after is None or command.after.epoch == inbox.epoch
        after = command.after.offset if command.after and is_same else inbox.floor
        assert device is not None
        device.has_inbox = True
        for offset, push in inbox.messages:
            if offset > after:
                device.encryption.take(push)
        return Inbox(
            id=command.id,
            device=command.device,
            at=Position(inbox.epoch, max(after, inbox.floor)),
            head=inbox.head,
            one_time=tuple(self.one_time.get(sender, {})),
            fallback_used=sender in self.fallback_used,
            reset=not is_same or after < inbox.floor,
        )

    # messages

    def require_current(self, sender: DeviceAddress, text: str, recipients: int) -> None:
        """The recipient check."""
        found = envelope.parse(text, Limits().envelope_bytes)
        session = self.sessions.get(found.session)
        if (
            session is None
            or session.device != sender
            or sender not in self.devices()
            or not recipients == self.recipients == session.recipients
            or session.began_at < self.closed_at
        ):
            raise ChatError(Code.RECIPIENTS_STALE)

    def store(self, sender: DeviceAddress, key: str, content: EncryptedContent, reply_to: int = 0) -> Message:
        if key in self.keys:
            return self.keys[key]
        self.require_current(sender, content.envelope, content.recipients)
        offset = len(self.messages) + 1
        message = Message(
            room=self.room.name,
            at=Position(EPOCH, offset),
            message_id=offset,
            username=sender.username,
            content=content.envelope,
            timestamp="2026-09-21T14:13:20.123Z",
            reply_to=reply_to,
        )
        self.messages.append(message)
        self.keys[key] = message
        self.entitled[offset] = frozenset(self.devices())
        return message

    def edit(self, sender: DeviceAddress, offset: int, content: EncryptedContent) -> Message:
        self.require_current(sender, content.envelope, content.recipients)
        edited = msgspec.structs.replace(
            self.messages[offset - 1], content=content.envelope, edited="2026-09-21T14:14:00.000Z"
        )
        self.messages[offset - 1] = edited
        return edited

    def react(self, sender: DeviceAddress, offset: int, content: EncryptedContent) -> Message:
        self.require_current(sender, content.envelope, content.recipients)
        message = self.messages[offset - 1]
        others = tuple(each for each in message.reactions if each.by != (sender.username,))
        own = Reaction(emoji="", n=1, by=(sender.username,), envelope=content.envelope)
        self.messages[offset - 1] = msgspec.structs.replace(message, reactions=(*others, own))
        return self.messages[offset - 1]


class ModelLink:
    """The connection of a device: breaks when told."""

    def __init__(self, server: ModelServer, device: "ModelDevice") -> None:
        self._server = server
        self._device = device
        self.breaks_before: type[object] | None = None
        self.breaks_after: type[object] | None = None

    async def ask(self, command: EncryptionCommand) -> EncryptionReply:
        await asyncio.sleep(0)
        if self.breaks_before is not None and isinstance(command, self.breaks_before):
            raise LinkBroken
        reply = self._server.answer(self._device.address, msgspec.structs.replace(command, id=1))
        await asyncio.sleep(0)
        if self.breaks_after is not None and isinstance(command, self.breaks_after):
            raise LinkBroken
        return reply


class ModelAccount:
    """The device's account at the model."""

    def __init__(self, server: ModelServer, device: "ModelDevice") -> None:
        self._server = server
        self._device = device
        self.uploads: list[OneTimeKeysUpload] = []
        self.obstacle_now: WaitReason | None = None
        self.beats = 0
        self.is_postponed = False

    async def set_up(self, welcome: Welcome) -> bool:
        return True

    def obstacle(self, transaction: StoreTransaction) -> WaitReason | None:
        return self.obstacle_now

    async def beat(self) -> None:
        self.beats += 1

    async def upload_one_time_keys(self, upload: OneTimeKeysUpload) -> None:
        self.uploads.append(upload)
        self._server.one_time.setdefault(self._device.address, {}).update(upload.one_time)
        if upload.fallback:
            self._server.fallback[self._device.address] = upload.fallback
            self._server.fallback_used.discard(self._device.address)

    async def give_back_entries(self, room: str, entries: Sequence[MemberEntry]) -> None:
        self._server.take_back(entries)

    async def user_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        shown = [self._server.lists_hidden.get(name, self._server.users[name].shown) for name in usernames]
        return [each for each in shown if each]

    async def withheld(self, room: str, sessions: Sequence[str]) -> WithheldKeys:
        me, known = self._device.address, self._server.sessions
        told = {session: known[session] for session in sessions if session in known}
        found = {session: each.withheld.get(me, "") for session, each in told.items() if me in each.given}
        return WithheldKeys(joined="1970-01-01T00:00:00.000Z", sessions=found)


class ModelDevice:
    """A device with a real key store and the real facade."""

    numbers = itertools.count(1)

    def __init__(self, server: ModelServer, user: ModelUser) -> None:
        self.server = server
        self.user = user
        self.folder = server.folder / f"device-{next(self.numbers)}"
        self.key = os.urandom(KEY_BYTES)
        self.has_inbox = False
        self.shown: list[DecryptedMessage] = []
        self.keys = itertools.count(1)
        self.open()
        server.opened.append(self)

    def open(self) -> None:
        """A client starts."""
        self.store = StoreWorker(lambda: KeyStore(self.folder / "store.sqlite3", self.key))
        self.account = ModelAccount(self.server, self)
        self.encryption = Encryption(
            self.store,
            self.account,
            TrustedUsers(lambda: self.server.now_ms),
            locks=self.folder / "locks",
            now_ms=lambda: self.server.now_ms,
        )
        self.link = ModelLink(self.server, self)
        self.encryption.on_messages = lambda _, messages: self.shown.extend(messages)

    async def make(self) -> None:
        """Make the device's keys, and upload one-time keys."""

        def made(transaction: StoreTransaction) -> None:
            identity = DeviceIdentity.create(transaction, self.user.user_id, self.user.username)
            self.public_keys = identity.device_keys(transaction)
            identity.save_secrets(transaction, UserSecrets(self_signing=self.user.self_signing))
            self.id = identity.device_id
            upload = own_one_time_keys.prepare(transaction, identity, (), fallback_used=True)
            assert upload is not None
            self.server.one_time[self.address] = dict(upload.one_time)
            self.server.fallback[self.address] = dict(upload.fallback)
            own_one_time_keys.uploaded(transaction, identity, upload)

        await self.store.run(made)

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(self.user.username, self.id)

    async def connect(self) -> None:
        self.link = ModelLink(self.server, self)
        shown = self.server.users[self.user.username].shown
        assert shown is not None
        await self.store.run(lambda transaction: self.encryption.trusted.accept(transaction, shown))
        welcome = Welcome(
            username=self.user.username,
            limits=Limits(),
            rooms=[],
            server="test",
            session="s",
            connection="c",
            ping_s=30,
        )
        await self.encryption.start(welcome, self.link)

    async def disconnect(self) -> None:
        self.has_inbox = False
        self.encryption.stop()
        await settled()

    async def end(self) -> None:
        """The client ends; the key store stays."""
        self.has_inbox = False
        await self.encryption.close()

    async def restart(self) -> None:
        await self.end()
        self.open()
        await self.connect()

    def copy_store(self) -> Path:
        """A copy of the key store, as a backup of the computer makes it; the client is not running."""
        copy = self.folder / "copy"
        copy.mkdir(exist_ok=True)
        for file in self.folder.glob("store.sqlite3*"):
            shutil.copy(file, copy / file.name)
        return copy

    def second_process(self) -> "ModelDevice":
        """Another client of the same user on the same computer: it shares the key store."""
        other = ModelDevice(self.server, self.user)
        other.folder, other.key, other.id = self.folder, self.key, self.id
        other.public_keys, other.keys = self.public_keys, self.keys
        other.open()
        return other

    async def say(self, text: str, *, reply_to: int = 0, key: str = "") -> Message:
        """Encrypt and send a message as the outbox does: again after a stale refusal."""
        key = key or f"{self.id}-{next(self.keys)}"
        content, again = PlainContent(text, reply_to=reply_to), False
        while True:
            encrypted = await self.encryption.encrypt(key, self.server.room, content, again=again)
            try:
                stored = self.server.store(self.address, key, encrypted, reply_to)
            except ChatError as refusal:
                if refusal.code is not Code.RECIPIENTS_STALE:
                    raise
                again = True
                continue
            self.encryption.forget(key)
            return stored

    async def edit(self, offset: int, text: str) -> Message:
        key = f"{self.id}-{next(self.keys)}"
        content = PlainContent(text, offset=offset)
        return self.server.edit(
            self.address, offset, await self.encryption.encrypt(key, self.server.room, content, again=False)
        )

    async def react(self, offset: int, *emoji: str) -> Message:
        key = f"{self.id}-{next(self.keys)}"
        content = PlainContent(offset=offset, reactions=emoji)
        return self.server.react(
            self.address, offset, await self.encryption.encrypt(key, self.server.room, content, again=False)
        )

    async def read(self, *messages: Message) -> list[DecryptedMessage]:
        """Decrypt these messages; without any, all that the server has."""
        return await self.encryption.decrypt(self.server.room, messages or self.server.messages)

    async def texts(self) -> list[str]:
        return [each.content if each.unreadable is None else f"<{each.unreadable}>" for each in await self.read()]


async def settled() -> None:
    """Let what was begun beside come to its end."""
    for _ in range(20):
        await asyncio.sleep(0.005)  # fixed: tests also wait for what must not happen


def push_recipients(device: ModelDevice) -> None:
    """Tell a device that who can read has changed."""
    server = device.server
    device.encryption.take(RecipientsUpdate(room=server.room.name, recipients=server.recipients))
