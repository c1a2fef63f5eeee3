"""The WebSocket connection: feeds events to the core, and performs its effects. Reconnects until it is ended."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias, assert_never

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from chatterbox.wire import codec, text_rules
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.frames import AttachedFile
from client.core import events, frame_decoder
from client.core.client_state import ClientState, ConnectionPhase
from client.core.connect_frame import connect_frame
from client.core.direct_rooms import NONE_ENCRYPTED, is_direct
from client.core.message_changes import HeldMessages
from client.core.notes import Note, SessionOver
from client.core.outbox_entry import OutboxEntry
from client.core.outbox_rules import is_in_flight
from client.core.reducer import reduce
from client.encryption.message_encryption import MessageEncryption, RoomMembers
from client.failures import Failure, NotLoggedIn
from client.net.dialer import dial, why_closed, why_not_opened
from client.net.encryption_shell import EncryptionShell, EncryptionSupport
from client.net.token_source import TokenSource
from client.store.outbox import Outbox, new_entry
from client.text.session_ended import BY_CLOSE_CODE

Connector: TypeAlias = "Callable[[Callable[[Note], None]], ChatConnection]"
"""Makes the connection of a face, from the function that takes its notes."""


MAX_OUTGOING = 1000
"""Frames that may wait until the socket takes them. Messages without an ack are in the outbox as well."""


class ChatConnection:
    """A connection to one server, over as many sockets as it takes.

    `show` is called with every note, in order, in the event loop. `state` may be read at any time.
    """

    def __init__(
        self,
        server: str,
        tokens: TokenSource,
        show: Callable[[Note], None],
        *,
        outbox: Outbox | None = None,
        state: ClientState | None = None,
        dial: Callable[[str], connect] = dial,
        encryption: EncryptionSupport | None = None,
    ) -> None:
        self.state = state or ClientState()
        self._server = server
        self._tokens = tokens
        self._show = show
        self._outbox = outbox
        self._dial = dial
        self._directs = encryption.directs if encryption else None
        self._encryption = EncryptionShell(encryption, lambda: self.state, self._feed, self._fail, show)
        self._token = ""
        self._refused = ""
        """The token that the server called expired."""
        self._events: deque[events.Event] = deque()  # bounded: what one event causes, before `_feed` returns
        self._feeding = False
        self._dial_after_s = 0.0
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_OUTGOING)
        self._socket: ClientConnection | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._ended: SessionOver | None = None
        self._bug: Exception | None = None
        self._retry_now = asyncio.Event()
        self._held: Callable[[], Mapping[str, HeldMessages] | None] = lambda: None

    def ask_for_held(self, held: Callable[[], Mapping[str, HeldMessages]]) -> None:
        """Call this at each connect for what the face holds: it is brought up to date. By default, that is nothing."""
        self._held = held

    async def run(self) -> SessionOver:
        """Stay connected, reconnecting as often as it takes, until the end; return why it ended."""
        username = self._username()
        directs = self._directs.load() if self._directs else NONE_ENCRYPTED
        entries = self._outbox.take_over(directs) if self._outbox else ()
        self._feed(events.Started(entries, username, directs))
        try:
            while self._ended is None:
                await self._pause(self._dial_after_s)
                if self._ended is None:
                    await self._try_once()
        finally:
            for timer in self._timers:
                timer.cancel()
            await self._encryption.close()
        if self._bug is not None:
            raise self._bug
        return self._ended

    def request(self, request: events.Request) -> None:
        """Do what a person or a script asks for; replies are shown as notes.

        Raises what `send` raises, for a `SendRequested`. After a `QuitRequested`, `run` returns.
        """
        match request:
            case events.SendRequested(room, content, reply_to, files):
                self.send(room, content, reply_to, files)
            case (
                events.CommandRequested()
                | events.KeysAccepted()
                | events.RoomRequested()
                | events.RoomRead()
                | events.RoomMarkedUnread()
                | events.PeopleShown()
                | events.RoomLooked()
                | events.UserTyped()
                | events.TypingShared()
                | events.DeviceUsed()
                | events.AwaySet()
                | events.QuitRequested()
            ):
                self._feed(request)
            case _:
                assert_never(request)

    def send(self, room: str, content: str, reply_to: int = 0, files: tuple[AttachedFile, ...] = ()) -> OutboxEntry:
        """Store a message in the outbox, on disk, and send it in its turn; returns its entry.

        `reply_to`: the offset of the message that it answers; 0: none. `files` are uploaded; then `content` may be
        empty.

        Raises `ChatError` for content that breaks the server's rules, and `Failure` if the disk refuses.
        """
        check_text = text_rules.caption if files else text_rules.content
        is_encrypted = self.state.is_encrypted(room)
        if is_encrypted and any(getattr(file, "secret", None) is None for file in files):
            raise Failure("A file that is not encrypted can't be sent here.")
        entry = new_entry(room, check_text(content, self.state.limits), reply_to, files)
        if self._outbox is not None:
            is_live = self.state.phase is ConnectionPhase.LIVE
            self._outbox.add([replace(entry, tried=is_live)], encrypted=is_encrypted)
        self._feed(events.MessageQueued(entry))
        return entry

    def edit_unsent(self, key: str, text: str) -> OutboxEntry | None:
        """Give an unsent message another text, on disk, and return it as it was; None if it was stored meanwhile.

        If it was never sent, only the new text is. Else it may be stored as it was, and is edited after its ack. Raises
        `ChatError` for content that breaks the server's rules, and `Failure` if the disk refuses.
        """
        found = [entry for waiting in self.state.unsent.values() for entry in waiting if entry.key == key]
        if not found:
            return None
        check_text = text_rules.caption if found[0].files else text_rules.content
        content = check_text(text, self.state.limits)
        if self._outbox is not None:
            self._outbox.edit(found[0], content, encrypted=self.state.is_encrypted(found[0].room))
        if not found[0].tried:
            self._encryption.forget(key, stored=False)
        self._feed(events.EntryEdited(key, content))
        return found[0]

    def take_back(self, key: str) -> OutboxEntry | None:
        """Delete an unsent message from the outbox and return it; None if it is in flight, or was sent meanwhile.

        Raises `Failure` if the disk refuses; the message then stays.
        """
        entries = [entry for waiting in self.state.unsent.values() for entry in waiting if entry.key == key]
        if not entries or is_in_flight(self.state, entries[0]):
            return None
        if self._outbox is not None:
            self._outbox.remove(key)
        self._encryption.forget(key, stored=False)
        self._feed(events.EntryTakenBack(key))
        return entries[0]

    async def ready_encryption(self) -> MessageEncryption:
        """The encryption of this connection, once it has started.

        Raises `EncryptionWaits`, `Failure`, `ChatError` or `LinkBroken`.
        """
        return await self._encryption.ready()

    async def members(self, room: str) -> RoomMembers | None:
        """What is known here of the members of an encrypted room; None for every other room, and if nothing is."""
        encrypted = self.state.encrypted_room(room)
        if encrypted is None or is_direct(room) or self.encryption is None:
            return None
        return await self.encryption.members(encrypted)

    def members_from_thread(self, room: str) -> Callable[[], RoomMembers | None]:
        """The same for a job in another thread, which calls what is returned."""
        if not self.state.is_encrypted(room):
            return lambda: None
        loop = asyncio.get_running_loop()
        return lambda: asyncio.run_coroutine_threadsafe(self.members(room), loop).result()

    @property
    def encryption(self) -> MessageEncryption | None:
        """The encryption of this connection, once it was needed."""
        return self._encryption.encryption

    def quit(self) -> None:
        """Disconnect for good; `run` returns."""
        self.request(events.QuitRequested())

    def try_now(self) -> None:
        """Connect now instead of waiting for the next retry."""
        self._retry_now.set()

    def _feed(self, event: events.Event) -> None:
        """Reduce an event, and those that a face adds while it takes the notes, one after another."""
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._events:
                self.state, effects = reduce(self.state, self._events.popleft())
                for effect in effects:
                    self._perform(effect)
        except Exception as bug:  # noqa: BLE001 - it can occur in a timer, and must reach the caller of `run`
            self._fail(bug)
        finally:
            self._feeding = False

    def _fail(self, bug: Exception) -> None:
        self._bug = self._bug or bug
        self._stop(SessionOver(None, "bug"))

    def _perform(self, effect: events.Effect) -> None:
        match effect:
            case events.ShowNote(note):
                self._show(note)
            case events.SendCommand(command):
                self._put(codec.encode(command))
            case events.SendConnect(resume, command_id):
                self._put(connect_frame(self._token, resume, command_id, self.state.limits.frame_bytes))
            case events.DropEntry(key, stored):
                self._encryption.forget(key, stored=stored)
                self._drop(key)
            case events.MarkTried():
                self._mark_tried()
            case (
                events.EncryptContent()
                | events.SignCommand()
                | events.ShareHistory()
                | events.AcceptKeys()
                | events.KeepEncryptedDirects()
            ):
                self._encryption.perform(effect)
                if isinstance(effect, events.KeepEncryptedDirects) and self._outbox is not None:
                    self._outbox.settle(effect.encrypted)
            case events.StartTimer(after_s, timer):
                self._start_timer(after_s, timer)
            case events.Dial(after_s):
                self._dial_after_s = after_s
            case events.CloseConnection():
                self._put(None)
            case events.Stop(ended):
                self._stop(ended)
            case _:
                assert_never(effect)

    def _drop(self, key: str) -> None:
        if self._outbox is not None:
            with suppress(Failure):  # an entry that stays is sent again, and stored once all the same
                self._outbox.remove(key)

    def _mark_tried(self) -> None:
        if self._outbox is not None:
            with suppress(Failure):  # the disk will refuse the next message, and say so
                self._outbox.mark_tried()

    def _stop(self, ended: SessionOver) -> None:
        self._ended = ended
        self._retry_now.set()
        self._put(None)

    def _put(self, frame: bytes | None) -> None:
        """Queue a frame, or None for the end. If it is full, the server does not read: the connection is lost."""
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            if self._socket is not None:
                self._socket.transport.abort()

    def _start_timer(self, after_s: float, timer: events.Timer) -> None:
        def feed() -> None:
            self._timers.discard(handle)
            self._feed(timer)

        handle = asyncio.get_running_loop().call_later(after_s, feed)
        self._timers.add(handle)

    async def _pause(self, for_s: float) -> None:
        """Wait until the next attempt, the end, or `try_now`."""
        self._retry_now.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._retry_now.wait(), for_s)

    async def _try_once(self) -> None:
        """Open one socket and use it while it lasts."""
        self._outgoing = asyncio.Queue(MAX_OUTGOING)
        try:
            self._token = await self._tokens.fresh(self._refused)
            async with self._dial(self._server) as socket:
                await self._use(socket)
        except NotLoggedIn as problem:
            self._lose(str(problem), code=CloseCode.SESSION_ENDED)
        except ConnectionClosed as closed:
            self._lose_by(closed)
        except (OSError, WebSocketException) as problem:
            why, after_s = why_not_opened(problem, self._server)
            self._lose(why, after_s=after_s)

    def _lose(self, why: str, *, code: int | None = None, after_s: float = 0.0) -> None:
        self._feed(events.ConnectionLost(why, random.random(), code, after_s))  # noqa: S311 - jitter

    def _lose_by(self, closed: ConnectionClosed) -> None:
        why, code = why_closed(closed)
        if code == CloseCode.TOKEN_EXPIRED:  # as after days of sleep: the next attempt renews it, or ends the session
            self._refused, why, code = self._token, "the login has to be renewed", None
        if code in BY_CLOSE_CODE and self._has_another_token():
            code = None
        self._lose(why, code=code)

    def _has_another_token(self) -> bool:
        """Whether the user logged in again meanwhile, in another terminal."""
        with suppress(NotLoggedIn):
            return self._tokens.session().token != self._token
        return False

    def _username(self) -> str:
        with suppress(NotLoggedIn):
            return self._tokens.session().username
        return ""

    async def _use(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._encryption.connect(self._put, lambda: self._put(None))
        self._feed(events.HandshakeDone(self._held()))
        others = [asyncio.create_task(self._write(socket)), asyncio.create_task(self._renew())]
        try:
            await self._read(socket)
        finally:
            self._socket = None
            await self._encryption.disconnect()
            for task in others:
                task.cancel()
            for outcome in await asyncio.gather(*others, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    async def _read(self, socket: ClientConnection) -> None:
        """Feed frames until the socket is closed, which raises; skip frames of a newer protocol."""
        while True:
            if (frame := frame_decoder.decode(await socket.recv(decode=False))) is not None:
                await self._encryption.take(frame)

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while (frame := await self._outgoing.get()) is not None:
                await socket.send(frame, text=True)
            await socket.close()

    async def _renew(self) -> None:
        """Renew the token while connected, so that a long connection outlives the token it began with."""
        with suppress(NotLoggedIn):
            while True:
                await self._tokens.until_due()
                token = await self._tokens.fresh()
                if token != self._token:
                    self._token = token
                    self._feed(events.TokenRenewed())
