"""A history with an encrypted conversation whose members have devices, and what their devices ask."""

import sqlite3
from contextlib import closing
from typing import Any

from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import SIGNALS, decode_signal
from chatterbox.wire.frames.encryption import DeviceAddress, OutgoingToDevice, ToDeviceKind, Withheld
from chatterbox.wire.history_api import Append
from chatterbox.wire.position import Position
from services.history.encryption.inbox_store import InboxStore
from services.history.messages.writer import Writer
from services.history.sqlite_store import SqliteStore
from tests.support import device_rows
from tests.support.device_rows import InsertedDevice, envelope, session_id
from tests.support.history import Clock, Service, until

SESSION = session_id(1)


class InboxSite:
    """A history with an encrypted conversation of ada and bob; ada has one device, bob two.

    `store` is called by what concerns keys and inboxes.
    """

    def __init__(self, history: Service, store: InboxStore, clock: Clock) -> None:
        self.history = history
        self.store = store
        self.clock = clock
        self.heard: list[tuple[str, bytes]] = []

    async def begin(self) -> None:
        await self.history.greet("ada", "bob", "eve", "zoe")
        names = self.history.auth.names
        people = (UserInfo(names[name], name) for name in ("ada", "bob", "eve", "zoe"))
        self.ada, self.bob, self.eve, self.zoe = people
        self.a1 = await self.device(self.ada, "AAAAAAAAA2")
        self.b1 = await self.device(self.bob, "BBBBBBBBB2")
        self.b2 = await self.device(self.bob, "BBBBBBBBB3")
        call = history_api.OpenDirectCall(self.ada.user_id, "ada", "bob", encrypted=True)
        self.room = await self.history.ask("direct", call, history_api.RoomInfo)
        self.heard = await self.history.listening(SIGNALS)

    async def device(self, user: UserInfo, device: str, **state: Any) -> InsertedDevice:
        owner = (user.user_id, user.username)
        return await device_rows.insert(self._writer, *owner, device, now_ms=self.clock.now, **state)

    @property
    def _writer(self) -> Writer:
        store = self.history.app.context.history._store
        assert isinstance(store, SqliteStore)
        return store._writer

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.history.settings.database)) as db:
            return db.execute(sql, parameters).fetchall()

    async def write(self, sql: str, *parameters: Any) -> None:
        await self._writer.change(lambda transaction: transaction.rows(sql, parameters))

    @property
    def version(self) -> int:
        [(version,)] = self.rows("SELECT recipients FROM rooms WHERE id = ?", self.room.room_id)
        return int(version)

    async def signals(self, count: int) -> list[object]:
        await until(lambda: len(self.heard) >= count)
        return [decode_signal(payload) for _, payload in self.heard]

    async def share(
        self,
        *messages: OutgoingToDevice,
        withheld: tuple[Withheld, ...] = (),
        by: InsertedDevice | None = None,
        session: str = SESSION,
        recipients: int | None = None,
    ) -> int:
        by = by or self.a1
        call = history_api.ShareKeysCall(
            room_id=self.room.room_id,
            user_id=by.user_id,
            username=by.username,
            sid=by.sid,
            device=by.device,
            session=session,
            recipients=self.version if recipients is None else recipients,
            messages=messages,
            withheld=withheld,
        )
        return (await self.store.share_keys(call)).missing

    async def send(self, *messages: OutgoingToDevice, by: InsertedDevice | None = None) -> None:
        by = by or self.a1
        call = history_api.ToDeviceCall(
            user_id=by.user_id, username=by.username, sid=by.sid, device=by.device, messages=messages
        )
        await self.store.send_to_device(call)

    async def open(
        self, of: InsertedDevice, after: Position | None = None, by: InsertedDevice | None = None
    ) -> history_api.DeviceInbox:
        call = history_api.InboxCall(user_id=of.user_id, sid=(by or of).sid, device=of.device, after=after)
        return await self.store.open_inbox(call)

    async def page(self, of: InsertedDevice, after: int = 0, limit: int = 100) -> list[history_api.StoredToDevice]:
        return (
            await self.store.inbox_page(history_api.InboxPageCall(inbox=of.number, after=after, limit=limit))
        ).messages

    async def take(self, of: InsertedDevice, upto: int, by: InsertedDevice | None = None) -> None:
        call = history_api.TakeCall(user_id=of.user_id, sid=(by or of).sid, device=of.device, upto=upto)
        await self.store.take(call)

    async def say(self, session: str = SESSION, recipients: int | None = None, key: str = "") -> str:
        """Send an encrypted message of ada's device; returns how that ended."""
        version = self.version if recipients is None else recipients
        content = envelope(self.a1.device, session)
        message = Append(self.room.room_id, self.ada.user_id, "ada", content, key, recipients=version)
        [outcome] = await self.history.append(message)
        return outcome.code if isinstance(outcome, history_api.AppendRefused) else "stored"


def to(device: InsertedDevice, n: int = 1, body: str = "key") -> OutgoingToDevice:
    address = DeviceAddress(device.username, device.device)
    return OutgoingToDevice(to=address, n=n, kind=ToDeviceKind.OLM, body=body)
