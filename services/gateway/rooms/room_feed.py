"""Subscribes to rooms at the broker and keeps each open room's stream complete, although pub/sub may lose messages.

A loss is detected in three ways: a message's offset, or a change's rev, does not follow (at once); heads compared with
history every few seconds differ (a lost last message or change); or the broker reports that it may have missed payloads
(all rooms are compared).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Container, Iterable, Sequence

import msgspec

from chatterbox.chassis.broker import Broker, BrokerError, Subscriber
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import (
    CONTROL,
    Batch,
    ChangeBatch,
    ChangedMessage,
    decode_room_payload,
    room_channel,
)
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.heads_progress import HeadsProgress
from services.gateway.core.room_stream import EpochChangedError, RoomStream
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_memory import RoomMemory
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.room_feed")

PAGE_MESSAGES = 200
"""Messages, or changed messages, per page when filling a gap."""
ROOMS_PER_CALL = 1000
"""Rooms that are opened, or closed, together: their heads are one call."""
CONCURRENT_CALLS = 4
"""Calls for heads of rooms being opened at the same time: more would only make each of them miss its deadline."""


class RoomFeed:
    """Owns the open rooms of a gateway."""

    def __init__(
        self,
        history: HistoryClient,
        broker: Broker,
        recent_messages: int,
        clock: Callable[[], float],
        metrics: GatewayMetrics | None = None,
        *,
        on_control: Callable[[bytes], None] = lambda _: None,
        on_possible_loss: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_control` gets control payloads; `on_possible_loss` is called when the broker may have missed payloads.

        `clock` is monotonic seconds.
        """
        self.rooms: dict[int, Room] = {}
        """Rooms that are open or being opened, by id."""
        self._history = history
        self._recent_messages = recent_messages
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._by_channel: dict[str, Room] = {}
        self._subscriptions = asyncio.Lock()
        self._tasks = TaskSet()
        self.memory = RoomMemory(history, self._begin_epoch)
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)
        self._opening: dict[Room, asyncio.Task[dict[Room, Code]]] = {}
        self._filling: dict[Room, asyncio.Task[None]] = {}
        self._unfilled: dict[Room, None] = {}
        """Rooms that still have a gap, as history refused or had nothing: the next comparison tries again."""
        self._progress = HeadsProgress()
        self._comparing = asyncio.Lock()
        self._subscriber: Subscriber = broker.subscriber(self._on_payload, self._on_possible_loss)
        self._on_control = on_control
        self._watched_rooms: Container[int] = ()
        self._on_messages: Callable[[int, Sequence[bytes]], None] = lambda *_: None
        self._payload_bytes = 0
        self._report_possible_loss = on_possible_loss
        self._metrics.rooms.set_function(lambda: len(self.rooms))
        self._metrics.message_bytes.set_function(lambda: self._payload_bytes)
        self._metrics.behind.set_function(lambda: len({each for room in self.rooms.values() for each in room.behind}))

    @property
    def payload_bytes(self) -> int:
        """Bytes of the payloads of rooms that were received."""
        return self._payload_bytes

    def watch_messages(self, room_ids: Container[int], on_messages: Callable[[int, Sequence[bytes]], None]) -> None:
        """Call `on_messages` with new messages of a room, encoded, if `room_ids` contains its id at that time."""
        self._watched_rooms = room_ids
        self._on_messages = on_messages

    async def start(self) -> None:
        await self._subscribe([CONTROL])

    async def close(self) -> None:
        await self._tasks.close()
        await self.memory.close()
        await self._subscriber.close()

    # Opening and closing rooms

    async def open(self, info: history_api.RoomInfo) -> Room:
        """Return a room as `open_all` does."""
        [room] = await self.open_all([info])
        return room

    async def open_all(
        self, infos: Iterable[history_api.RoomInfo], since: history_api.HeadsCursor | None = None
    ) -> list[Room]:
        """Return rooms with complete streams from their heads on; those that are not open yet are opened together.

        With `since`, `infos` have the heads and topics as of this cursor or later: then history is asked only which of
        them have changed. Without it, `infos` need not be recent.

        Raises `room_unknown` if one was deleted meanwhile, `unavailable` if history is.
        """
        rooms: list[Room] = []
        new: list[tuple[Room, history_api.RoomInfo]] = []
        for info in infos:
            room = self.rooms.get(info.room_id)
            if room is None:
                room = self.rooms[info.room_id] = Room(info, self._metrics)
                room.note_idle(self._clock())
                new.append((room, info))
            rooms.append(room)
        for start in range(0, len(new), ROOMS_PER_CALL):
            opening = self._tasks.spawn(self._open(new[start : start + ROOMS_PER_CALL], since))
            self._opening.update((room, opening) for room, _ in new[start : start + ROOMS_PER_CALL])
        await self._wait_opened(rooms)
        return rooms

    async def _wait_opened(self, rooms: Sequence[Room]) -> None:
        """Wait until these rooms are open; raises the refusal of one that is not."""
        waiting = [room for room in rooms if room.stream is None]
        tasks = dict.fromkeys(self._opening[room] for room in waiting if room in self._opening)
        refused: dict[Room, Code] = {}
        for opening in tasks:
            refused |= await asyncio.shield(opening)
        closed = [room for room in waiting if room.stream is None]
        if any(refused.get(room) is Code.ROOM_UNKNOWN for room in closed):
            raise ChatError(Code.ROOM_UNKNOWN)
        if closed:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1)

    async def _open(
        self, new: Sequence[tuple[Room, history_api.RoomInfo]], since: history_api.HeadsCursor | None
    ) -> dict[Room, Code]:
        """Subscribe first, then read heads: payloads published in between are held and applied after.

        Memory starts empty. Returns the rooms that could not be opened, and why.
        """
        by_channel = {room_channel(room.room_id): room for room, _ in new}
        try:
            self._by_channel.update(by_channel)
            async with self._subscriptions:
                await self._subscribe(by_channel)
            async with self._calls:
                answer = await self._heads_of([info for _, info in new], since)
            unknown = [room for room, _ in new if room.room_id not in answer.heads]
            for room, info in new:
                if (head := answer.heads.get(room.room_id)) is not None:
                    topic = info.topic if answer.topics is None else answer.topics.get(room.room_id, "")
                    self._begin(room, head, topic)
            self._progress.note_opened(answer.cursor)
            await self._close(unknown)
            return dict.fromkeys(unknown, Code.ROOM_UNKNOWN)
        except Exception as problem:
            await self._close([room for room, _ in new])
            if not isinstance(problem, ChatError):
                raise
            return dict.fromkeys([room for room, _ in new], problem.code)
        finally:
            for room, _ in new:
                self._opening.pop(room, None)

    async def _heads_of(
        self, infos: Sequence[history_api.RoomInfo], since: history_api.HeadsCursor | None
    ) -> history_api.Heads:
        """The heads of rooms: those of `infos`, except where history has later ones; all from history if need be.

        A room that was deleted after `since` is still among them. The event of its deletion is applied after the rooms
        are open.
        """
        if since is not None:
            later = await self._history.heads_since(since)
            if later.comparable and later.cursor is not None:
                heads = {info.room_id: history_api.RoomHead(info.epoch, info.head, info.rev) for info in infos}
                heads.update((room_id, later.heads[room_id]) for room_id in later.heads.keys() & heads.keys())
                return msgspec.structs.replace(later, heads=heads)
        return await self._history.heads([info.room_id for info in infos], topics=True)

    def _begin(self, room: Room, at: history_api.RoomHead, topic: str) -> None:
        stream = RoomStream.at(at.epoch, at.head, (), self._recent_messages)
        for payload in room.open(stream, topic, at.rev):
            self._apply(room, payload)

    async def _subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe to channels. Without the broker a room opens anyway: comparing heads brings its messages."""
        with contextlib.suppress(BrokerError):  # the broker logs it, and reports a possible loss once it is back
            await self._subscriber.subscribe(channels)

    def _remove(self, room: Room) -> None:
        if self.rooms.get(room.room_id) is room:
            del self.rooms[room.room_id]
            self._by_channel.pop(room_channel(room.room_id), None)
            self._unfilled.pop(room, None)

    async def close_idle(self, before_s: float) -> None:
        """Close rooms that have had no connection since `before_s`; other work runs in between."""
        rooms = tuple(self.rooms.values())
        for start in range(0, len(rooms), ROOMS_PER_CALL):
            idle = [
                room
                for room in rooms[start : start + ROOMS_PER_CALL]
                if room.is_idle and room.stream is not None and room.idle_since_s < before_s
            ]
            await self._close(idle)
            await asyncio.sleep(0)

    def discard(self, room: Room) -> None:
        """Forget a room, and unsubscribe from it soon."""
        self._remove(room)
        self._tasks.spawn(self._close([room]))

    async def _close(self, rooms: Sequence[Room]) -> None:
        for room in rooms:
            self._remove(room)
        if rooms:
            async with self._subscriptions:  # a room that was opened again meanwhile keeps its subscription
                closed = [room_channel(room.room_id) for room in rooms if room.room_id not in self.rooms]
                await self._subscriber.unsubscribe(closed)

    # From the broker

    def _on_payload(self, channel: str, payload: bytes) -> None:
        if channel == CONTROL:
            self._on_control(payload)
        elif (room := self._by_channel.get(channel)) is not None:
            self._payload_bytes += len(payload)
            if room.stream is None:
                room.hold(payload)
            else:
                self._apply(room, payload)

    def _apply(self, room: Room, payload: bytes) -> None:
        try:
            batch = decode_room_payload(payload)
        except UnreadableError:  # comparing heads finds whatever it contained
            log.warning("batch.undecodable", extra={"room_id": room.room_id})
            return
        try:
            if room.changes is None and isinstance(batch, Batch) and not batch.rev:
                stream = room.opened
                room.deliver(stream.take(batch.epoch, batch.first, [text_frame(frame) for frame in batch.frames]))
                has_gap = stream.has_gap
            else:
                self._apply_changed(room, batch)
                has_gap = room.has_gap
        except EpochChangedError:
            self._begin_epoch(room)
        else:
            if has_gap:
                self._start_fill(room)
            if room.room_id in self._watched_rooms and isinstance(batch, Batch):
                self._on_messages(room.room_id, batch.frames)

    def _apply_changed(self, room: Room, batch: Batch | ChangeBatch) -> None:
        """Apply the payload of a room with changes."""
        if isinstance(batch, ChangeBatch):
            room.tell(room.begin_changes().take(batch.epoch, batch.after, batch.changes))
        else:
            self._take_right(room, batch)

    def _take_right(self, room: Room, batch: Batch) -> None:
        """Take messages of a room with changes: what is late may have changed since, as was told here already."""
        changes = room.begin_changes()
        changes.announce(batch.epoch, batch.rev)
        payloads = changes.right(batch.rev, batch.first, batch.frames)
        if payloads is None:  # too late to be set right from memory
            room.opened.announce(batch.epoch, batch.first + len(batch.frames) - 1)
        else:
            room.deliver(room.opened.take(batch.epoch, batch.first, [text_frame(payload) for payload in payloads]))

    def _begin_epoch(self, room: Room) -> None:
        """The room was restored from a backup: close its connections, so that clients reconnect and start over."""
        log.warning("epoch.changed", extra={"room_id": room.room_id})
        self.discard(room)
        room.close_connections(CloseCode.EPOCH_CHANGED)

    def _on_possible_loss(self) -> None:
        self._metrics.doubts.inc()
        self._report_possible_loss()
        self._tasks.spawn(self.compare_heads())

    # From history

    def _start_fill(self, room: Room) -> None:
        if room not in self._filling:
            self._metrics.gaps.inc()
            if room.changes is not None and room.changes.has_gap:
                self._metrics.change_gaps.inc()
            self._filling[room] = self._tasks.spawn(self._fill(room))

    async def _fill(self, room: Room) -> None:
        """Read missing messages, then missing changes, page by page until there are none."""
        try:
            while room.has_gap and self.rooms.get(room.room_id) is room:
                read = self._fill_messages if room.opened.has_gap else self._fill_changes
                if not await read(room):
                    break
        except EpochChangedError:
            self._begin_epoch(room)
        except ChatError as problem:
            self._metrics.unfilled.inc()
            missing = {"first": room.opened.head + 1, "last": room.opened.known, "rev": room.rev}
            log.warning("gap.fill_failed", extra={"room_id": room.room_id, **missing, "code": problem.code})
        finally:
            self._filling.pop(room, None)
            if room.has_gap and self.rooms.get(room.room_id) is room:
                self._unfilled[room] = None

    async def _fill_messages(self, room: Room) -> bool:
        """Read a page of missing messages; returns whether to go on."""
        after = room.opened.head
        page = await self._history.page(room.room_id, PAGE_MESSAGES, after=after)
        if (payloads := room.set_right(page)) is None:
            return True
        told = room.rev
        ahead = {offset: rev for offset, rev in page.revs.items() if rev > told}
        room.deliver(room.opened.take(page.epoch, page.first, [text_frame(payload) for payload in payloads], ahead))
        self._metrics.filled.inc(room.opened.head - after)
        if room.opened.head == after:
            return False
        log.info("gap.filled", extra={"room_id": room.room_id, "first": after + 1, "last": room.opened.head})
        return True

    async def _fill_changes(self, room: Room) -> bool:
        """Read a page of missing changes; returns whether to go on."""
        changes = room.begin_changes()
        after = changes.told
        page = await self._history.changes(room.room_id, PAGE_MESSAGES, after=after)
        found = [ChangedMessage(each.offset, each.rev, bytes(each.frame), b"") for each in page.changes]
        told = changes.take(page.epoch, after, found, page.through)
        room.tell(told)
        self._metrics.changes_filled.inc(len(told))
        if changes.told == after:
            return False
        log.info("changes.filled", extra={"room_id": room.room_id, "after": after, "through": changes.told})
        return True

    async def compare_heads(self) -> int | None:
        """Compare with history the heads of open rooms that changed since the last time, and fill gaps.

        Returns history's membership revision, or None if history is unavailable.
        """
        async with self._comparing:
            try:
                answer = await self._changed_heads()
            except ChatError as problem:
                self._metrics.heads_failed.inc()
                log.warning("heads.unavailable", extra={"code": problem.code})
                return None
            for room_id, head in answer.heads.items():
                if (room := self.rooms.get(room_id)) is not None and room.stream is not None:
                    self._note_head(room, head)
            self._progress.end(answer.cursor)
        self._retry_fills()
        return answer.revision

    async def _changed_heads(self) -> history_api.Heads:
        """The heads of rooms that changed since the last comparison; those of each open room if that is not known."""
        since = self._progress.begin()
        if since is not None:
            answer = await self._history.heads_since(since)
            if answer.comparable and answer.cursor is not None:
                return answer
        return await self._history.heads([room.room_id for room in self.rooms.values() if room.stream is not None])

    def _retry_fills(self) -> None:
        unfilled, self._unfilled = self._unfilled, {}
        for room in unfilled:
            if room.has_gap:
                self._start_fill(room)

    async def sync(self, rooms: Sequence[Room]) -> None:
        """Bring `rooms` up to history's head: a client has a position beyond this gateway's, or another epoch.

        Raises `unavailable` if history is unavailable or a gap could not be filled.
        """
        answer = await self._history.heads([room.room_id for room in rooms])
        for room in rooms:
            if room.room_id in answer.heads:
                self._note_head(room, answer.heads[room.room_id])
            if (filling := self._filling.get(room)) is not None:
                await asyncio.shield(filling)
            if room.has_gap:
                raise ChatError(Code.UNAVAILABLE, "This gateway is behind. Reconnect.", retry_after_s=0.5)

    def _note_head(self, room: Room, at: history_api.RoomHead) -> None:
        try:
            room.opened.announce(at.epoch, at.head)
            if at.rev > room.rev:
                room.begin_changes().announce(at.epoch, at.rev)
        except EpochChangedError:
            self._begin_epoch(room)
        else:
            if room.has_gap:
                self._start_fill(room)
