"""History as a gateway calls it, real but for its clock, and what all clients were told and sent."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple, TypeVar, assert_never, cast

import httpx
import vodozemac

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.envelope import from_base64url
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.position import Position
from client.encryption.message_encryption import EncryptedRoom
from services.gateway.upstream.encryption_client import EncryptionClient
from services.gateway.upstream.history_client import HistoryClient
from services.history.app import HistoryApp, create_app
from services.history.restore import restore
from tests.support.history import Clock, FakeAuth, Service, running

T = TypeVar("T")
PAGE = 50


class Login(NamedTuple):
    """A user in a login session."""

    user_id: int
    username: str
    sid: str


class StoredText(NamedTuple):
    """A message that was acknowledged."""

    room: str
    offset: int
    sender: DeviceAddress
    text: str
    session: str
    entitled: frozenset[DeviceAddress]
    """The devices that could read the room in the transaction that stored it, but those that were given no key."""


class RecordingBroker(MemoryBroker):
    """Keeps all payloads."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        self.payloads += [payload for _, payload in items]
        await super().publish(items)


class HistoryProcess:
    """Runs history, again and again, on one data folder."""

    def __init__(self, folder: Path, create: Callable[..., HistoryApp] = create_app) -> None:
        self.folder = folder
        self.clock = Clock()
        self.auth = FakeAuth(self.clock)
        self._create = create
        self._stack = AsyncExitStack()
        self.service: Service
        self.texts: list[StoredText] = []
        self.lost: list[StoredText] = []
        """Those that a restored backup does not have."""
        self.bodies: dict[tuple[str, int], set[str]] = defaultdict(set)
        """All bodies that were sent, by session and ratchet index."""
        self.inboxes: dict[tuple[str, str], int] = {}
        """Opened inboxes, by login session and device."""
        self.broker = RecordingBroker()
        self.given: dict[tuple[DeviceAddress, str], set[tuple[str, str, int]]] = defaultdict(set)
        """Who was given each one-time key: user, device, and how often the server had been restored."""
        self.restores = 0
        self.ghosts: set[str] = set()
        """Users whom the server made members of a room."""
        self.thieves: set[str] = set()
        """Devices of those who stole a password."""
        self.withheld: set[tuple[int, DeviceAddress, str]] = set()
        """Offsets of messages whose keys a device that could read was not given, and why."""

    @property
    def database(self) -> Path:
        return self.folder / "history.sqlite"

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        self.service = await self._stack.enter_async_context(
            running(
                self.folder,
                self.auth,
                self.clock,
                broker=self.broker,
                create=self._create,
                encryption=EncryptionPolicy.DIRECT,
            )
        )

    async def stop(self) -> None:
        await self._stack.aclose()

    async def back_up(self, copy: Path) -> list[StoredText]:
        """Copy the database; returns the messages in it."""
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return list(self.texts)

    async def restore(self, copy: Path, texts: list[StoredText]) -> None:
        """Stop, go on with an old copy, and start."""
        await self.stop()
        restore(self.database, copy)
        self.lost += [text for text in self.texts if text not in texts]
        self.texts = list(texts)
        self.restores += 1
        await self.start()

    # What a gateway does

    async def open_direct(self, login: Login, other: str) -> tuple[EncryptedRoom, int]:
        """The room, and its id."""
        answer = await self.http("POST", "/directs", login, {"username": other, "encrypted": True})
        answer.raise_for_status()
        room = answer.json()
        call = history_api.FindRoomCall(room["room"], login.user_id, login.username)
        info = await self.service.ask("find", call, history_api.RoomInfo)
        return EncryptedRoom(room["room"], room["uid"]), info.room_id

    async def end_session(self, sid: str) -> None:
        """A login session ends; returns when its devices have ended."""
        self.auth.revoked.sids.append(sid)
        await self.service.broker.publish([(CONTROL, encode_control(SessionRevoked(sid, 2**40)))])
        async with asyncio.timeout(10):
            while self._listed(sid):  # noqa: ASYNC110 - a condition of the database
                await asyncio.sleep(0.002)  # fixed: history works in threads

    def _listed(self, sid: str) -> bool:
        with closing(sqlite3.connect(self.database)) as db:
            query = "SELECT count(*) FROM devices WHERE sid = ? AND state = 'listed'"
            return bool(db.execute(query, (sid,)).fetchone()[0])

    async def http(self, method: str, path: str, login: Login, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.auth.token(login.username, sid=login.sid)}"}
        return await self.service.public.request(method, path, json=body, headers=headers)

    async def call(self, path: str, body: object, answer: type[T]) -> T:
        return await self.service.ask(path.removeprefix("/internal/"), body, answer)

    async def ask(self, login: Login, room: int, command: frames.EncryptionCommand) -> frames.EncryptionReply:
        """Run a command of a connection; `room` is the id of the one that it names, if it names one."""
        client, user = EncryptionClient(cast("HistoryClient", self)), _User(login.user_id, login.username)
        match command:
            case frames.ReadRecipients():
                found = await client.recipients(room, user, command.known, command.after)
                return frames.Recipients(
                    id=command.id, room=command.room, recipients=found.recipients, closed_at=found.closed_at,
                    devices=found.devices, lists=found.lists, without=tuple(found.without),
                    entries=tuple(found.entries), log=found.log,
                )  # fmt: skip
            case frames.Claim():
                claimed = await client.claim(user, login.sid, command.device, command.of)
                for key in claimed.keys:
                    if not key.key.fallback:
                        of = DeviceAddress(key.username, key.device)
                        self.given[of, key.key.key].add((user.username, command.device, self.restores))
                return frames.Claimed(id=command.id, keys=claimed.keys, missing=tuple(claimed.missing))
            case frames.ShareKeys():
                shared = await client.share_keys(room, user, login.sid, command)
                return frames.KeysShared(
                    id=command.id, room=command.room, session=command.session, missing=shared.missing
                )
            case frames.SendToDevice():
                await client.send_to_device(user, login.sid, command)
                return frames.Delivered(id=command.id)
            case frames.OpenInbox():
                opened = await client.open_inbox(user, login.sid, command.device, command.after)
                self.inboxes[login.sid, command.device] = opened.inbox
                return frames.Inbox(
                    id=command.id, device=command.device, at=opened.at, head=opened.head,
                    one_time=tuple(opened.one_time), fallback_used=opened.fallback_used, reset=opened.reset,
                )  # fmt: skip
            case frames.Take():
                await client.take(user, login.sid, command.device, command.upto)
                return frames.Taken(id=command.id, device=command.device, upto=command.upto)
            case _:
                assert_never(command)

    async def inbox(self, login: Login, device: str, after: int) -> list[frames.ToDevice]:
        """What a connection with an open inbox is pushed after an offset. Empty if it must open it again."""
        client, opened = EncryptionClient(cast("HistoryClient", self)), self.inboxes[login.sid, device]
        page = await client.inbox_page(opened, after, PAGE)
        return [
            frames.ToDevice(
                device=device, at=Position(page.epoch, each.offset), username=each.username, sender=each.sender,
                n=each.n, kind=each.kind, body=each.body,
            )
            for each in page.messages
        ]  # fmt: skip

    async def send(self, login: Login, room: int, key: str, text: str, content: str, recipients: int) -> int:
        """Store an encrypted message of `text`; returns its offset. Raises `ChatError`."""
        self._note_body(content)
        message = history_api.Append(room, login.user_id, login.username, content, key, recipients=recipients)
        [outcome] = await self.service.append(message)
        if isinstance(outcome, history_api.AppendRefused):
            raise ChatError(Code(outcome.code), outcome.detail)
        if not any((stored.room, stored.offset) == (str(room), outcome.offset) for stored in self.texts):
            sent = envelope.parse(content, 10**6)
            sender = DeviceAddress(login.username, sent.device)
            entitled, withheld = self.readers(room, sent.session)
            self.texts.append(StoredText(str(room), outcome.offset, sender, text, sent.session, entitled))
            self.withheld |= {(outcome.offset, device, why) for device, why in withheld.items()}
        return outcome.offset

    def _note_body(self, content: str) -> None:
        sent = envelope.parse(content, 10**6)
        index = vodozemac.MegolmMessage.from_bytes(from_base64url(sent.body)).message_index()
        self.bodies[sent.session, index].add(sent.body)

    def sessions_of(self, address: DeviceAddress) -> set[str]:
        """The sessions whose keys a device was given."""
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute(
                "SELECT session FROM session_shares JOIN devices ON devices.id = device"
                " WHERE username = ? AND device_id = ?",
                address,
            )
            return {session for (session,) in rows}

    def readers(self, room: int, session: str) -> tuple[frozenset[DeviceAddress], dict[DeviceAddress, str]]:
        """The listed devices of the members: those that can read, and why the sender withheld the keys from others."""
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute(
                """
                SELECT devices.username, devices.device_id, coalesce(how, '') FROM devices
                JOIN memberships ON memberships.user_id = devices.user_id AND memberships.room_id = :room
                LEFT JOIN session_shares ON session_shares.room_id = :room AND session = :session
                    AND session_shares.device = devices.id
                WHERE devices.state = 'listed' AND devices.dehydrated = 0""",
                {"room": room, "session": session},
            ).fetchall()
        rows = [row for row in rows if row[0] not in self.ghosts]
        withheld = {DeviceAddress(username, device): how for username, device, how in rows if how}
        return frozenset(DeviceAddress(*row[:2]) for row in rows if not row[2]), withheld

    async def page(self, room: int, after: int) -> list[frames.Message]:
        """Messages of a room after an offset, as they are pushed."""
        stored = await self.call(
            "/internal/page", history_api.PageQuery(room_id=room, after=after, limit=PAGE), history_api.StoredPage
        )
        found = [decode_server_frame(bytes(frame)) for frame in stored.frames]
        return [frame for frame in found if isinstance(frame, frames.Message)]


class _User(NamedTuple):
    user_id: int
    username: str
