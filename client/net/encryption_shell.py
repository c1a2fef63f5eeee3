"""Encryption on a connection: decrypts frames before the core takes them, and encrypts what the core asks for.

Frames reach the core in the order in which they came. While one is being decrypted, those after it wait, but for
pushes and replies of encryption itself, which decrypting may need.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

import msgspec

from chatterbox.wire import frames, room_names, text_rules
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError
from client.core import events, notes
from client.core.client_state import ClientState
from client.encryption.command_link import LinkBroken
from client.encryption.core.trust import DecryptedMessage, Unreadable
from client.encryption.message_encryption import (
    EncryptedRoom,
    EncryptionWaits,
    MessageEncryption,
    PlainContent,
    WaitReason,
)
from client.failures import Failure
from client.net.pending_replies import PendingReplies
from client.store.encrypted_directs import EncryptedDirectsFile

MAX_WAITING = 1000
"""Frames that wait while one is decrypted; beyond that, the socket is not read."""
BATCH = 64
"""Pushed messages of a room that are decrypted together."""
LOST = "The connection was lost while the message was encrypted."
NOT_SIGNED = "The connection was lost before this was signed. Try again."

_PUSHES = (frames.ToDevice, frames.RecipientsUpdate, frames.DeviceListUpdate, frames.DevicePending)


@dataclass(frozen=True, slots=True)
class EncryptionSupport:
    """What a connection needs for encryption.

    `make` opens the key store, when it is first needed: at the welcome if `is_eager`, else with the first message.
    None: this connection encrypts and decrypts nothing.
    """

    directs: EncryptedDirectsFile
    make: Callable[[], MessageEncryption] | None = None
    is_eager: bool = False
    fills_search: bool = False
    """The history of encrypted rooms is read in the background, so that search finds all of it."""


class EncryptionShell:
    """The encryption of one `ChatConnection`. `feed` gives the core an event; `fail` ends the connection for a bug."""

    def __init__(
        self,
        support: EncryptionSupport | None,
        state: Callable[[], ClientState],
        feed: Callable[[events.Event], None],
        fail: Callable[[Exception], None],
        tell: Callable[[notes.Note], None] = lambda _note: None,
    ) -> None:
        """`tell` takes what the face is to know about keys."""
        self._support = support
        self._state = state
        self._feed = feed
        self._fail = fail
        self._tell = tell
        self._encryption: MessageEncryption | None = None
        self._replies: PendingReplies | None = None
        self._welcome: frames.Welcome | None = None
        self._start: asyncio.Task[None] | None = None
        self._waiting: deque[frames.ServerFrame] = deque()  # bounded: at `MAX_WAITING`, the socket is not read
        self._has_room = asyncio.Event()
        self._decrypting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._topics: dict[tuple[str, str], str] = {}
        """The present topics of rooms that were decrypted in this run, by room and envelope."""
        self._unreadable_topics: dict[EncryptedRoom, str] = {}
        """Topics of rooms whose keys are missing: they are tried again when keys come."""
        self._fill: asyncio.Task[None] | None = None
        self._busy_at_s = 0.0
        """When something was decrypted or encrypted last."""
        self._keys: set[str] = set()
        """What was encrypted in this run, and was neither stored nor given up yet."""

    def connect(self, put: Callable[[bytes], None], overdue: Callable[[], None]) -> None:
        """There is a new socket: `put` sends over it, `overdue` closes it."""
        self._replies = PendingReplies(put, overdue)
        self._has_room.set()

    async def disconnect(self) -> None:
        """The socket is closed: forget what was on its way; the core asks for it again."""
        if self._replies is not None:
            self._replies.close()
        if self._encryption is not None:
            self._encryption.stop()
        tasks = [task for task in (self._start, self._decrypting, self._fill, *self._tasks) if task is not None]
        self._waiting.clear()
        self._start = self._decrypting = self._fill = self._welcome = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """The run ends."""
        if self._encryption is not None:
            await self._encryption.close()

    async def take(self, frame: frames.ServerFrame) -> None:
        """Take a frame from the socket."""
        if isinstance(frame, _PUSHES):
            if self._encryption is not None:
                self._encryption.take(frame)
            return
        if self._replies is not None and self._replies.take(frame):
            return
        if isinstance(frame, frames.Welcome):
            frame = self._take_welcome(frame)
        if not self._waiting and not self._has_encrypted(frame):
            self._feed(events.FrameReceived(frame))
            return
        self._waiting.append(frame)
        if self._decrypting is None:
            self._decrypting = asyncio.create_task(self._guarded(self._drain))
        if len(self._waiting) >= MAX_WAITING:
            self._has_room.clear()
            await self._has_room.wait()

    @property
    def encryption(self) -> MessageEncryption | None:
        """The facade of encryption, once it was needed."""
        return self._encryption

    # Starting.

    def _take_welcome(self, welcome: frames.Welcome) -> frames.Welcome:
        """The welcome with the topics that were decrypted before; the others follow, as nothing waits for them."""
        self._welcome = welcome
        rooms = [self._with_known_topic(room) for room in welcome.rooms]
        if self._support is not None and self._support.is_eager and _is_possible(welcome):
            self._ensure_started()
            if unknown := [room for room in welcome.rooms if self._is_topic_unknown(room)]:
                self._begin(lambda: self._decrypt_topics(unknown))
        return msgspec.structs.replace(welcome, rooms=rooms)

    def _ensure_started(self) -> asyncio.Task[None] | None:
        """Begin to start encryption over this connection; None if that is not possible."""
        if self._start is None and self._welcome is not None and self._support is not None:
            if self._support.make is None or not _is_possible(self._welcome):
                return None
            self._start = asyncio.create_task(self._started(self._support.make, self._welcome))
        return self._start

    async def _started(self, make: Callable[[], MessageEncryption], welcome: frames.Welcome) -> None:
        if self._replies is None:
            raise LinkBroken
        if self._encryption is None:
            self._encryption = await asyncio.to_thread(make)
            self._encryption.on_messages = self._take_decrypted
            self._encryption.on_key_line = lambda line: self._tell(notes.KeysTold(line))
            self._encryption.on_trust = lambda *known: self._tell(notes.TrustTold(*known))
            self._encryption.on_readiness = self._take_readiness
        await self._encryption.start(welcome, self._replies)
        if self._support is not None and self._support.fills_search and self._fill is None:
            from client.net.search.history_fill import HistoryFill  # only long connections need it

            fill = HistoryFill(self._encryption, self._state, self._replies.ask_any, self._quiet_s)
            self._fill = asyncio.create_task(self._guarded(fill.run))

    def _quiet_s(self) -> float:
        """For how long nothing was decrypted or encrypted, but for search."""
        return asyncio.get_running_loop().time() - self._busy_at_s

    async def ready(self) -> MessageEncryption:
        """Encryption, once it has started. Raises `EncryptionWaits`, `Failure`, `ChatError` or `LinkBroken`."""
        start = self._ensure_started()
        if start is None:
            raise EncryptionWaits(WaitReason.FAILED, detail="This server does not carry encrypted messages.")
        try:
            await asyncio.shield(start)
        except BaseException:
            if start.done():
                self._start = None  # the next message tries again
            raise
        if self._encryption is None:
            raise LinkBroken
        return self._encryption

    def _take_decrypted(self, room: str, messages: Sequence[DecryptedMessage]) -> None:
        self._feed(events.MessagesDecrypted(room, tuple(messages)))
        self._retry_topics()

    def _take_readiness(self) -> None:
        self._feed(events.EncryptionReady())
        self._retry_topics()

    # Decrypting.

    def _room(self, name: str) -> EncryptedRoom | None:
        """An encrypted room by the server's name; None if it is not encrypted. Its uid may not be known yet."""
        state = self._state()
        uid = state.encryption.uids.get(state.local_name(name), "")
        return EncryptedRoom(name, uid) if uid or room_names.is_encrypted(name) else None

    def _has_encrypted(self, frame: frames.ServerFrame) -> bool:
        match frame:
            case frames.Message() | frames.Change() | frames.ChangesPage() | frames.Page() | frames.Joined():
                return self._room(frame.room) is not None
            case frames.Membership() | frames.TopicUpdate() | frames.TopicSet():
                return bool(frame.topic) and self._room(frame.room) is not None
            case frames.RoomList(rooms=rooms):
                return any(room.topic and self._room(room.room) is not None for room in rooms)
            case _:
                return False

    async def _drain(self) -> None:
        """Decrypt and feed the frames that wait, in order."""
        while self._waiting:
            frame = self._waiting[0]
            room = self._room(getattr(frame, "room", "")) if self._has_encrypted(frame) else None
            batch: list[frames.ServerFrame]
            if isinstance(frame, frames.RoomList):
                batch = [msgspec.structs.replace(frame, rooms=[await self._with_topic(each) for each in frame.rooms])]
            elif room is None:
                batch = [frame]
            elif isinstance(frame, frames.Message):
                batch = await self._decrypt_pushes(room)
            else:
                batch = [await self._decrypted_frame(room, frame)]
            for each in batch:
                self._waiting.popleft()
                self._feed(events.FrameReceived(each))
            self._tell_unreadable(frame)
            if len(self._waiting) < MAX_WAITING:
                self._has_room.set()
        self._decrypting = None

    async def _decrypt_pushes(self, room: EncryptedRoom) -> list[frames.ServerFrame]:
        """Decrypt the first pushes that wait, as long as they are messages of this room."""
        pushes: list[frames.Message] = []
        for frame in self._waiting:
            if not isinstance(frame, frames.Message) or frame.room != room.name or len(pushes) >= BATCH:
                break
            pushes.append(frame)
        return list(await self._decrypt(room, pushes))

    async def _decrypted_frame(self, room: EncryptedRoom, frame: frames.ServerFrame) -> frames.ServerFrame:
        match frame:
            case frames.Page(messages=messages):
                return msgspec.structs.replace(frame, messages=await self._decrypt(room, messages))
            case frames.Joined(messages=messages):
                if not room.uid and isinstance(frame.uid, str):
                    room = replace(room, uid=frame.uid)
                decrypted_messages = await self._decrypt(room, messages)
                topic = await self._decrypt_topic(room, frame.topic)
                return msgspec.structs.replace(frame, messages=decrypted_messages, topic=topic or "")
            case frames.Membership() | frames.TopicSet():
                return msgspec.structs.replace(frame, topic=await self._decrypt_topic(room, frame.topic) or "")
            case frames.TopicUpdate(topic=envelope):
                topic = await self._decrypt_topic(room, envelope)
                by = frame.by if topic is not None else None  # a topic that can't be read was not cleared
                return msgspec.structs.replace(frame, topic=topic or "", by=by)
            case frames.Change(message=message):
                if message is None:
                    return frame
                [decrypted] = await self._decrypt(room, [message])
                return msgspec.structs.replace(frame, message=decrypted)
            case frames.ChangesPage(changes=changes):
                decrypted_changes = [await self._decrypted_frame(room, change) for change in changes]
                return msgspec.structs.replace(frame, changes=decrypted_changes)
            case _:
                return frame

    async def _decrypt(self, room: EncryptedRoom, messages: Sequence[frames.Message]) -> list[frames.Message]:
        """Decrypt messages of a room; without encryption, they are unreadable, but never shown as they are."""
        self._busy_at_s = asyncio.get_running_loop().time()
        with suppress(EncryptionWaits, Failure, ChatError, LinkBroken):
            await self.ready()
        if self._encryption is None:
            return [unreadable(message, Unreadable.LOST) for message in messages]
        return list(await self._encryption.decrypt(room, messages))

    # Topics.

    async def _decrypt_topic(self, room: EncryptedRoom, topic: str) -> str | None:
        """The topic of a room in clear; None if it can't be read here."""
        if not topic:
            return ""
        if (room.name, topic) not in self._topics:
            with suppress(EncryptionWaits, Failure, ChatError, LinkBroken):
                await self.ready()
            if self._encryption is None:
                return None
            if (decrypted := await self._encryption.decrypt_topic(room, topic)) is None:
                self._unreadable_topics[room] = topic
                return None
            self._topics = {known: text for known, text in self._topics.items() if known[0] != room.name}
            self._topics[room.name, topic] = decrypted
        return self._topics[room.name, topic]

    async def _with_topic(self, summary: frames.RoomSummary) -> frames.RoomSummary:
        """An entry of the room list, with its topic in clear."""
        uid = summary.uid if isinstance(summary.uid, str) else ""
        room = self._room(summary.room)
        if room is None or not summary.topic:
            return summary
        topic = await self._decrypt_topic(replace(room, uid=room.uid or uid), summary.topic) if summary.member else ""
        return msgspec.structs.replace(summary, topic=topic or "")

    def _with_known_topic(self, room: frames.RoomState) -> frames.RoomState:
        if not room.topic or not room_names.is_encrypted(room.room):
            return room
        return msgspec.structs.replace(room, topic=self._topics.get((room.room, room.topic), ""))

    def _is_topic_unknown(self, room: frames.RoomState) -> bool:
        return bool(room.topic) and room_names.is_encrypted(room.room) and (room.room, room.topic) not in self._topics

    def _retry_topics(self) -> None:
        """Keys came: topics that could not be read before may be readable now."""
        if waiting := list(self._unreadable_topics.items()):
            self._begin(lambda: self._decrypt_again(waiting))

    async def _decrypt_again(self, waiting: Sequence[tuple[EncryptedRoom, str]]) -> None:
        for room, topic in waiting:
            decrypted = await self._decrypt_topic(room, topic)
            if decrypted is not None and self._unreadable_topics.get(room) == topic:
                del self._unreadable_topics[room]
                self._feed(events.TopicDecrypted(room.name, decrypted))

    async def _decrypt_topics(self, rooms: Sequence[frames.RoomState]) -> None:
        for room in rooms:
            topic = await self._decrypt_topic(EncryptedRoom(room.room, room.uid), room.topic)
            self._feed(events.TopicDecrypted(room.room, topic))

    def _tell_unreadable(self, frame: frames.ServerFrame) -> None:
        """Tell the core that the topic which a frame brought can't be read."""
        match frame:
            case frames.Joined() | frames.Membership() | frames.TopicUpdate() | frames.TopicSet():
                if frame.topic and self._has_encrypted(frame) and (frame.room, frame.topic) not in self._topics:
                    self._feed(events.TopicDecrypted(frame.room, None))
            case _:
                pass

    # Encrypting.

    def perform(
        self,
        effect: events.EncryptContent
        | events.SignCommand
        | events.ShareHistory
        | events.AcceptKeys
        | events.KeepEncryptedDirects,
    ) -> None:
        """Do what the core asks for."""
        match effect:
            case events.SignCommand():
                self._begin(lambda: self._sign(effect))
            case events.ShareHistory():
                self._begin(lambda: self._share_history(effect))
            case events.EncryptContent():
                self._keys.add(effect.key)
                self._begin(lambda: self._encrypt(effect))
            case events.AcceptKeys(room):
                if self._encryption is not None:
                    self._encryption.accept_keys(room)
            case events.KeepEncryptedDirects(encrypted):
                if self._support is not None:
                    self._support.directs.save(encrypted)
            case _:
                assert_never(effect)

    def forget(self, key: str, *, stored: bool) -> None:
        """A message of the outbox was stored or given up, or its text changed before it was ever sent."""
        if self._encryption is not None and key in self._keys:
            self._keys.discard(key)
            self._encryption.forget(key, stored=stored)

    async def _encrypt(self, effect: events.EncryptContent) -> None:
        self._busy_at_s = asyncio.get_running_loop().time()
        from client.text.encryption.encryption_text import waiting_line  # only connections with encrypted rooms need it

        try:
            encryption = await self.ready()
            content = await self._completed(encryption, effect)
            encrypted = await encryption.encrypt(effect.key, effect.room, content, again=effect.again)
        except EncryptionWaits as waits:
            detail = waiting_line(waits.reason, waits.usernames, waits.detail)
            self._feed(events.EncryptionRefused(effect.job, waits, detail))
        except (ChatError, Failure, LinkBroken) as problem:
            detail = problem.detail if isinstance(problem, ChatError) else str(problem) or LOST
            failed = EncryptionWaits(WaitReason.FAILED, detail=detail)
            self._feed(events.EncryptionRefused(effect.job, failed, detail))
        else:
            self._feed(events.ContentEncrypted(effect.job, encrypted))

    async def _sign(self, effect: events.SignCommand) -> None:
        from client.text.encryption.encryption_text import refused_line  # only connections with encrypted rooms need it

        try:
            encryption = await self.ready()
            signed = await encryption.sign(effect.command, effect.room, history=effect.history)
            members = None
            if isinstance(signed, frames.Invite) and effect.room is not None:
                members = await encryption.members(effect.room)
        except EncryptionWaits as waits:
            detail = refused_line(waits.reason, waits.usernames, waits.detail)
            self._feed(events.EncryptionRefused(effect.job, waits, detail))
        except (ChatError, Failure, LinkBroken) as problem:
            detail = problem.detail if isinstance(problem, ChatError) else str(problem) or NOT_SIGNED
            code = problem.code if isinstance(problem, ChatError) else ""
            failed = EncryptionWaits(WaitReason.FAILED, detail=detail)
            self._feed(events.EncryptionRefused(effect.job, failed, detail, code))
        else:
            self._feed(events.CommandSigned(effect.job, signed, members.history if members is not None else None))

    async def _share_history(self, effect: events.ShareHistory) -> None:
        try:
            with suppress(EncryptionWaits, Failure, ChatError, LinkBroken):
                await (await self.ready()).give_history(effect.room)
        finally:  # the user is invited, whether the connection lasts or not
            self._feed(events.HistoryShared(effect.answered))

    async def _completed(self, encryption: MessageEncryption, effect: events.EncryptContent) -> PlainContent:
        """What is encrypted, with what it keeps of the message that it is about. Raises `ChatError` for invalid text.

        An edit keeps the files and what the message answers. Reactions of a user are kept by the server as one, so
        those that the user added before go with it.
        """
        content, limits = effect.content, self._state().limits
        if effect.adds_reaction is None:
            check_text = text_rules.caption if content.files else text_rules.content
            if not content.offset:
                return replace(content, text=check_text(content.text, limits))
            original = await self._message_at(encryption, effect.room, content.offset)
            if original is not None:
                content = replace(content, files=original.files, reply_to=original.reply_to)
                check_text = text_rules.caption if content.files else text_rules.content
            return replace(content, text=check_text(content.text, limits))
        emoji = text_rules.reaction((content.reactions or ("",))[0], limits)
        original = await self._message_at(encryption, effect.room, content.offset)
        me = self._state().username
        before = [each.emoji for each in original.reactions if me in each.by] if original is not None else []
        others = [each for each in before if each != emoji]
        return replace(content, reactions=tuple([*others, emoji] if effect.adds_reaction else others))

    async def _message_at(
        self, encryption: MessageEncryption, room: EncryptedRoom, offset: int
    ) -> DecryptedMessage | None:
        if self._replies is None:
            raise LinkBroken
        page = await self._replies.ask_any(frames.ReadHistory(id=0, room=room.name, after=offset - 1, limit=1))
        messages = page.messages if isinstance(page, frames.Page) else []
        found = [message for message in await encryption.decrypt(room, messages) if message.at.offset == offset]
        return found[0] if found else None

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """A bug ends the connection, as one in the core does."""
        try:
            await work()
        except Exception as bug:  # noqa: BLE001 - it must reach the caller of `ChatConnection.run`
            self._fail(bug)


def _is_possible(welcome: frames.Welcome) -> bool:
    """Whether the server carries encrypted messages."""
    return welcome.encryption not in {"", EncryptionPolicy.OFF}


def unreadable(message: frames.Message, why: Unreadable) -> frames.Message:
    """A message without what is encrypted in it; a deleted one stays as it is."""
    if message.deleted:
        return message
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    fields |= {"content": "", "reactions": (), "unreadable": why}
    return DecryptedMessage(**fields)
