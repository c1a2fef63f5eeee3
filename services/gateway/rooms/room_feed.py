"""What comes in from the broker and from history, made into each room's stream. Pub/sub may lose; this may not.

Three things find what was lost: a message whose offset does not follow (at once), a comparison of heads with
history every few seconds (a lost last message), and the broker's word that it was away (everything).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from chatterbox.chassis.broker import Broker, BrokerError, Subscriber
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, decode_batch, room_channel
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError
from services.gateway.connections.hub import Hub
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import EpochChangedError, RoomStream
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.room_feed")

PAGE_MESSAGES = 200
"""Messages asked of history at once when filling a gap."""


class RoomFeed:
    """Keeps the streams of open rooms whole. `on_control` gets control payloads, `on_doubt` the broker's doubts."""

    def __init__(
        self,
        hub: Hub,
        history: HistoryClient,
        broker: Broker,
        recent_messages: int,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._hub = hub
        self._history = history
        self._recent_messages = recent_messages
        self._metrics = metrics or GatewayMetrics()
        self._room_of: dict[str, Room] = {}
        self._subscriptions = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriber: Subscriber = broker.subscriber(self._on_payload, self._on_doubt)
        self.on_control: Callable[[bytes], None] = lambda _: None
        self.on_doubt: Callable[[], None] = lambda: None

    async def start(self) -> None:
        await self._subscribe(CONTROL)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._subscriber.close()

    # Opening and closing rooms

    async def open(self, info: history_api.RoomInfo) -> Room:
        """The room, with a stream that is whole from its head on; raises `ChatError` if history is away."""
        room = self._hub.rooms.get(info.room_id)
        if room is None:
            room = self._hub.rooms[info.room_id] = Room(info, self._metrics)
            room.idle_since_s = self._hub.clock()
            room.opening = self._spawn(self._open(room))
        if room.stream is None and room.opening is not None:
            await asyncio.shield(room.opening)
        if room.stream is None:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1)
        return room

    async def _open(self, room: Room) -> None:
        """Subscribe first, read second: what is published in between is held and joined."""
        try:
            self._room_of[room_channel(room.room_id)] = room
            async with self._subscriptions:
                await self._subscribe(room_channel(room.room_id))
            page = await self._history.page(room.room_id, min(PAGE_MESSAGES, self._recent_messages))
        except Exception as problem:
            await self._let_go(room)
            if not isinstance(problem, ChatError):
                raise
            return
        newest = [text_frame(bytes(frame)) for frame in page.frames]
        room.stream = RoomStream.at(page.epoch, page.first + len(newest) - 1, newest, self._recent_messages)
        room.sent = room.stream.head
        room.topic = page.topic if room.topic is None else room.topic
        for payload in room.unopened:
            self._take(room, payload)
        room.unopened.clear()

    async def _subscribe(self, channel: str) -> None:
        """Listen to a channel. Without the broker a room opens all the same: comparing heads brings its messages."""
        with contextlib.suppress(BrokerError):  # it says so itself, and is in doubt when it is back
            await self._subscriber.subscribe([channel])

    def _forget(self, room: Room) -> None:
        if self._hub.rooms.get(room.room_id) is room:
            del self._hub.rooms[room.room_id]
            self._room_of.pop(room_channel(room.room_id), None)

    async def close_idle(self, before_s: float) -> None:
        """Unsubscribe from rooms that nobody here has been in since `before_s`."""
        for room in self._hub.idle_rooms(before_s):
            await self._let_go(room)

    async def _let_go(self, room: Room) -> None:
        self._forget(room)
        async with self._subscriptions:  # a room opened anew meanwhile keeps its subscription
            if room.room_id not in self._hub.rooms:
                await self._subscriber.unsubscribe([room_channel(room.room_id)])

    # What the broker brings

    def _on_payload(self, channel: str, payload: bytes) -> None:
        if channel == CONTROL:
            self.on_control(payload)
        elif (room := self._room_of.get(channel)) is not None:
            if room.stream is None:
                room.hold(payload)
            else:
                self._take(room, payload)

    def _take(self, room: Room, payload: bytes) -> None:
        try:
            batch = decode_batch(payload)
        except UnreadableError:  # whatever it was to say, comparing heads finds it
            log.warning("batch.undecodable", extra={"room_id": room.room_id})
            return
        self._advance(room, batch.epoch, batch.first, [text_frame(frame) for frame in batch.frames])
        if room.opened.has_gap:
            self._fill_soon(room)

    def _advance(self, room: Room, epoch: str, first: int, arrived: list[bytes]) -> None:
        try:
            room.deliver(room.opened.take(epoch, first, arrived))
        except EpochChangedError:
            self._begin_epoch(room)

    def _begin_epoch(self, room: Room) -> None:
        """The room was restored from a backup: everyone in it must come back and be told so."""
        log.warning("epoch.changed", extra={"room_id": room.room_id})
        self._forget(room)
        self._hub.close_room(room, CloseCode.EPOCH_CHANGED)
        self._spawn(self._let_go(room))

    def _on_doubt(self) -> None:
        self._metrics.doubts.inc()
        self.on_doubt()
        self._spawn(self.compare_heads())

    # What history knows better

    def _fill_soon(self, room: Room) -> None:
        if room.filling is None:
            self._metrics.gaps.inc()
            room.filling = self._spawn(self._fill(room))

    async def _fill(self, room: Room) -> None:
        """Read what is missing, page by page, until the stream is whole."""
        try:
            while room.opened.has_gap and self._hub.rooms.get(room.room_id) is room:
                after = room.opened.head
                page = await self._history.page(room.room_id, PAGE_MESSAGES, after=after)
                self._advance(room, page.epoch, page.first, [text_frame(bytes(frame)) for frame in page.frames])
                self._metrics.filled.inc(room.opened.head - after)
                if room.opened.head == after:
                    break
                where = {"room_id": room.room_id, "first": after + 1, "last": room.opened.head}
                log.info("gap.filled", extra=where)
        except ChatError as problem:
            self._metrics.unfilled.inc()
            missing = {"first": room.opened.head + 1, "last": room.opened.known}
            log.warning("gap.fill_failed", extra={"room_id": room.room_id, **missing, "code": problem.code})
        finally:
            room.filling = None

    async def compare_heads(self) -> int | None:
        """Ask history how far the open rooms are and fill what is missing here.

        Returns history's membership revision, or None when history is away.
        """
        rooms = {room.room_id: room for room in self._hub.rooms.values() if room.stream is not None}
        try:
            answer = await self._history.heads(list(rooms))
        except ChatError as problem:
            self._metrics.heads_failed.inc()
            log.warning("heads.unavailable", extra={"code": problem.code})
            return None
        for room_id, (epoch, head) in answer.heads.items():
            self._announce(rooms[room_id], epoch, head)
        return answer.revision

    async def reach(self, rooms: Sequence[Room]) -> None:
        """Bring `rooms` as far as history is now: somebody holds more of them than there is here, or another epoch.

        Raises `unavailable` when history is away, or its answer can't be had whole.
        """
        answer = await self._history.heads([room.room_id for room in rooms])
        for room in rooms:
            if room.room_id in answer.heads:
                self._announce(room, *answer.heads[room.room_id])
            if room.filling is not None:
                await asyncio.shield(room.filling)
            if room.opened.has_gap:
                raise ChatError(Code.UNAVAILABLE, "This gateway lags behind; connect again.", retry_after_s=0.5)

    def _announce(self, room: Room, epoch: str, head: int) -> None:
        try:
            room.opened.announce(epoch, head)
        except EpochChangedError:
            self._begin_epoch(room)
        else:
            if room.opened.has_gap:
                self._fill_soon(room)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
