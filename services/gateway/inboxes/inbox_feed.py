"""Pushes to-device messages to the connections that opened an inbox: at least once, in order, at the socket's pace.

Nothing is kept here but positions: messages are read from history, page by page. A signal says that an inbox grew;
heads are compared every few seconds, so a lost signal delays messages and loses none.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NoReturn, assert_never

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import (
    DeviceAppeared,
    DeviceListChanged,
    EncryptionSignal,
    InboxesGrew,
    RecipientsChanged,
)
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from services.gateway.core.frame_writer import text_frame
from services.gateway.inboxes.core.inbox_subscriptions import InboxSubscription, InboxSubscriptions
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room, RoomConnection
from services.gateway.upstream.encryption_client import EncryptionClient

log = logging.getLogger("chatterbox.inboxes")

PAGE_MESSAGES = 50
"""Messages per page: at most 200 KiB, of 4 KiB each."""
CONCURRENT_PAGES = 8
"""Pages read from history at the same time, for all inboxes together."""
INBOXES_PER_CALL = 1000
"""Inboxes whose heads are compared in one call."""
INBOXES_PER_CONNECTION = 4
"""The inbox of the connection's device, and those of its user's dehydrated device: the present one and earlier ones."""


class InboxFeed:
    """The open inboxes of one gateway. `members` and `rooms` are those that are here, by id, at any time."""

    def __init__(
        self,
        members: Mapping[int, Member],
        rooms: Mapping[int, Room],
        history: EncryptionClient,
        interval_s: float,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`interval_s`: time between comparisons of heads (seconds)."""
        self._members = members
        self._rooms = rooms
        self._history = history
        self._interval_s = interval_s
        self._metrics = metrics or GatewayMetrics()
        self._readers: InboxSubscriptions[RoomConnection] = InboxSubscriptions()
        self._active: set[int] = set()
        """Inboxes of which pages are being read."""
        self._pages = asyncio.Semaphore(CONCURRENT_PAGES)
        self._doubt = asyncio.Event()
        self._tasks = TaskSet()
        self._incident = Incident(log, down="inboxes.unavailable", up="inboxes.recovered")
        self._metrics.inboxes_open.set_function(lambda: len(self._readers))

    async def close(self) -> None:
        await self._tasks.close()

    # Opening

    def check_open(self, connection: RoomConnection, device: str) -> None:
        """Raise `bad_frame` if the connection has the maximum number of inboxes open, without that of `device`."""
        others = [each for each in self._readers.of_connection(connection) if each.device != device]
        if len(others) >= INBOXES_PER_CONNECTION:
            raise ChatError(Code.BAD_FRAME, f"At most {INBOXES_PER_CONNECTION} inboxes can be open on one connection.")

    def open(self, connection: RoomConnection, device: str, opened: history_api.DeviceInbox) -> None:
        """Push what follows `opened.at` from now on; the caller has sent the reply in this event-loop turn."""
        if not connection.is_closed:
            self._readers.add(InboxSubscription(connection, device, opened))
            self._start(opened.inbox)

    def forget(self, connection: RoomConnection) -> None:
        """The connection is closed."""
        self._readers.forget(connection)

    def resume(self, connection: RoomConnection) -> None:
        """The connection's socket is no longer full."""
        for reader in self._readers.of_connection(connection):
            self._start(reader.inbox)

    # Pages

    def _start(self, inbox: int) -> None:
        """Push what an inbox has, unless that is in progress or no connection accepts it now."""
        if inbox not in self._active and self._waiting(inbox):
            self._active.add(inbox)
            self._tasks.spawn(self._push_pages(inbox))

    def _waiting(self, inbox: int) -> list[InboxSubscription[RoomConnection]]:
        """Readers that are behind, and whose socket takes more. One that is full is resumed when it has drained."""
        return [each for each in self._readers.of_inbox(inbox) if each.is_behind and not each.connection.is_full]

    async def _push_pages(self, inbox: int) -> None:
        try:
            while waiting := self._waiting(inbox):
                after = min(reader.pushed for reader in waiting)
                async with self._pages:
                    page = await self._history.inbox_page(inbox, after, PAGE_MESSAGES)
                self._push_page(inbox, after, page)
        except ChatError as problem:  # the next comparison of heads tries again
            self._incident.fail(problem.detail)
        else:
            self._incident.recover()
        finally:
            self._active.discard(inbox)

    def _push_page(self, inbox: int, after: int, page: history_api.InboxPage) -> None:
        """Write a page to the readers that it concerns: those that were pushed everything up to `after`."""
        for reader in tuple(self._readers.of_inbox(inbox)):
            if reader.epoch != page.epoch:  # restored, or emptied: the device opens its inbox again, and is told
                self._readers.forget(reader.connection)
                reader.connection.close(CloseCode.EPOCH_CHANGED)
            elif reader.pushed >= after:
                self._push(reader, page)

    def _push(self, reader: InboxSubscription[RoomConnection], page: history_api.InboxPage) -> None:
        pushed = 0
        for message in reader.missing(page):
            if reader.connection.is_full or reader.connection.is_closed:
                break
            reader.note_pushed(message.offset)
            reader.connection.write(text_frame(codec.encode(_frame(reader, message))))
            pushed += 1
        reader.finish(page)
        self._metrics.to_device_pushed.inc(pushed)

    # Heads

    async def run(self) -> NoReturn:
        """Compare heads with history, at once after a possible loss, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            self._doubt.clear()
            await self._compare_heads()

    def on_possible_loss(self) -> None:
        """The broker may have lost signals."""
        self._doubt.set()

    async def _compare_heads(self) -> None:
        inboxes = self._readers.inboxes
        for first in range(0, len(inboxes), INBOXES_PER_CALL):
            part = inboxes[first : first + INBOXES_PER_CALL]
            try:
                heads = await self._history.inbox_heads(part)
            except ChatError as problem:
                self._incident.fail(problem.detail)
                return
            self._incident.recover()
            for inbox in part:
                if inbox not in heads:  # its device was removed
                    self._readers.close(inbox)
            for inbox in self._readers.note_heads(heads.items()):
                self._start(inbox)

    # Signals

    def on_signal(self, signal: EncryptionSignal) -> None:
        """Tell connections with an inbox what history has committed."""
        match signal:
            case InboxesGrew():
                for inbox in self._readers.note_heads(signal.heads):
                    self._start(inbox)
            case RecipientsChanged():
                for room_id, version in signal.versions:
                    self._tell_recipients(room_id, version)
            case DeviceListChanged():
                self._tell_device_list(signal)
            case DeviceAppeared():
                push = frames.DevicePending(device=signal.device, since=signal.since)
                self._tell(self._of_user(signal.user_id), push)
            case _:
                assert_never(signal)

    def _tell_recipients(self, room_id: int, version: int) -> None:
        room = self._rooms.get(room_id)
        if room is not None and (told := self._in_room(room)):
            self._tell(told, frames.RecipientsUpdate(room=room.name, recipients=version))

    def _tell_device_list(self, signal: DeviceListChanged) -> None:
        told = self._of_user(signal.user_id)
        for room_id in signal.room_ids:
            if (room := self._rooms.get(room_id)) is not None:
                told |= self._in_room(room)
        self._tell(told, frames.DeviceListUpdate(username=signal.username, version=signal.version))

    def _of_user(self, user_id: int) -> set[RoomConnection]:
        member = self._members.get(user_id)
        return set() if member is None else {each for each in member.connections if each in self._readers}

    def _in_room(self, room: Room) -> set[RoomConnection]:
        return {each for each in (*room.live, *room.behind) if each in self._readers}

    def _tell(self, connections: set[RoomConnection], push: frames.EncryptionPush) -> None:
        """Write a hint; a connection whose socket is full does without: a refusal or the next hint makes up for it."""
        if not connections:
            return
        encoded = text_frame(codec.encode(push))
        for connection in connections:
            if connection.is_open and not connection.is_full:
                connection.write(encoded)


def _frame(reader: InboxSubscription[RoomConnection], message: history_api.StoredToDevice) -> frames.ToDevice:
    return frames.ToDevice(
        device=reader.device,
        at=Position(reader.epoch, message.offset),
        username=message.username,
        sender=message.sender,
        n=message.n,
        kind=message.kind,
        body=message.body,
    )
