"""A client with the real facade of encryption over a real WebSocket, without the rest of the client."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chatterbox.wire import codec, frames
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import ChatError, Code
from client.core import frame_decoder
from client.encryption.client_encryption import Encryption
from client.encryption.command_link import LinkBroken
from client.encryption.core.trust import DecryptedMessage
from client.encryption.device.own_device_account import OwnDeviceAccount
from client.encryption.device.own_keys import OwnKeys
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.message_encryption import EncryptedRoom, PlainContent
from client.encryption.store.store_key import open_key_store
from client.encryption.store_worker import StoreWorker
from client.net.keys_api import KeysApi

_PUSHES = (frames.ToDevice, frames.RecipientsUpdate, frames.DeviceListUpdate, frames.DevicePending)


class Addressed(Protocol):
    """A server or a whole site; `tests.support.server.Server` implements it."""

    @property
    def url(self) -> str: ...


class EncryptedClient:
    """One device of a user; `connect` and `disconnect` as often as you like."""

    def __init__(self, server: Addressed, username: str, token: str, home: Path, *, now_ms: Any = None) -> None:
        self.server = server
        self.username = username
        self.token = token
        self.now_ms = now_ms or (lambda: 1_800_000_000_000)
        self.messages: dict[int, frames.Message] = {}
        self.came = asyncio.Condition()
        self.stale_sends = 0
        """Messages that were refused because who can read had changed."""
        self._home = home
        self._ids = itertools.count(1)
        self._keys = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self.worker = StoreWorker(self._store)
        self.account = OwnDeviceAccount(self._api, self._own_keys, self._store)
        self.encryption = Encryption(
            self.worker, self.account, TrustedUsers(self.now_ms), locks=home / "locks", now_ms=self.now_ms
        )

    def _store(self) -> Any:
        return open_key_store(self._home, self.server.url, self.username)

    def _api(self) -> KeysApi:
        return KeysApi(self.server.url, self.token)

    def _own_keys(self, api: KeysApi, username: str, session: str) -> OwnKeys:
        return OwnKeys(self._store(), api, username=username, session=session, now_ms=self.now_ms)

    async def connect(self) -> "EncryptedClient":
        self._socket = await connect(
            f"{self.server.url.replace('http', 'ws', 1)}/ws",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
            proxy=None,
        )
        welcome = frame_decoder.decode(await self._socket.recv(decode=False))
        if not isinstance(welcome, frames.Welcome):  # a server that can't welcome now says why
            raise LinkBroken
        self._reading = asyncio.create_task(self._read(self._socket))
        await self.encryption.start(welcome, self)
        return self

    async def disconnect(self) -> None:
        self.encryption.stop()
        assert self._socket is not None
        await self._socket.close()
        assert self._reading is not None
        await self._reading

    async def close(self) -> None:
        if self._reading is not None and not self._reading.done():
            await self.disconnect()
        await self.encryption.close()

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame: Any = frame_decoder.decode(await socket.recv(decode=False))
                if isinstance(frame, _PUSHES):
                    self.encryption.take(frame)
                elif isinstance(frame, frames.Message):
                    await self._put(frame)
                elif isinstance(frame, frames.Change):
                    if frame.message is not None:
                        await self._put(frame.message)
                else:
                    self._answer(frame)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkBroken())
                future.exception()  # its caller may have been cancelled
        self._waiting.clear()

    def _answer(self, reply: Any) -> None:
        future = self._waiting.pop(getattr(reply, "id", None) or -1, None)
        if future is not None and not future.done():  # its caller may have been cancelled
            future.set_result(reply)

    async def _put(self, message: frames.Message) -> None:
        async with self.came:
            self.messages[message.at.offset] = message
            self.came.notify_all()

    async def ask(self, command: Any) -> Any:
        """As `CommandLink.ask`, for any command."""
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        if self._socket is None:
            raise LinkBroken
        try:
            await self._socket.send(codec.encode(msgspec.structs.replace(command, id=number)), text=True)
        except ConnectionClosed:
            self._waiting.pop(number, None)
            future.cancel()
            raise LinkBroken from None
        async with asyncio.timeout(10):
            reply = await future
        if isinstance(reply, frames.ErrorFrame):
            raise ChatError(Code(reply.code), reply.detail, retry_after_s=reply.retry_after_s)
        return reply

    async def direct(self, username: str) -> EncryptedRoom:
        """Open the encrypted direct conversation with a user."""
        opened = await self.ask(frames.Direct(id=0, username=username, encrypted=True))
        return EncryptedRoom(opened.room, opened.uid)

    async def create_room(self, name: str) -> EncryptedRoom:
        """Create an encrypted room, of which newcomers read what is written from then on."""
        command = frames.CreateRoom(id=0, room=name, private=True)
        created = await self.ask(await self.encryption.sign(command, None, history=NewcomerHistory.JOINING))
        return EncryptedRoom(created.room, created.uid)

    async def let_in(self, room: EncryptedRoom, other: "EncryptedClient") -> None:
        """Invite a user, who joins."""
        command = frames.Invite(id=0, room=room.name, username=other.username)
        await self.ask(await self.encryption.sign(command, room))
        await other.ask(frames.Join(id=0, room=room.name))

    async def say(self, room: EncryptedRoom, text: str, **options: Any) -> Any:
        """Send as the outbox does; returns the position."""
        key, again = f"{self.username}-{id(self)}-{next(self._keys)}", False
        while True:
            found = await self.encryption.encrypt(key, room, PlainContent(text, **options), again=again)
            send = frames.Send(id=0, room=room.name, content=found.envelope, key=key, recipients=found.recipients)
            try:
                sent = await self.ask(send)
            except ChatError as refusal:
                if refusal.code is not Code.RECIPIENTS_STALE:
                    raise
                self.stale_sends += 1
                again = True
                continue
            self.encryption.forget(key)
            return sent.at

    async def history(self, room: EncryptedRoom) -> list[DecryptedMessage]:
        """All of the room, as this device reads it."""
        page = await self.ask(frames.ReadHistory(id=0, room=room.name, after=0, limit=200))
        return await self.encryption.decrypt(room, page.messages)

    async def texts(self, room: EncryptedRoom) -> list[str]:
        return [
            each.content if each.unreadable is None else f"<{each.unreadable}>" for each in await self.history(room)
        ]


Devices: TypeAlias = Callable[[str], Awaitable[EncryptedClient]]
"""Makes a connected device of the user of this name; each user's first one registers the user."""
