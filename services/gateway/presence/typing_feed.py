"""Tells connections who is typing in the room that they look at, and other gateways who is typing here."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import msgspec

from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames
from chatterbox.wire.broker_events import UserTyping
from chatterbox.wire.limits import Limits
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.core.typing_table import TypingTable, shown
from services.gateway.presence.watch_feed import WatchingConnection
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.signal_channel import SignalChannel

TICK_S = 0.25
"""Time between looks at what is due (seconds)."""
PAUSE_S = 1.0
"""Least time between two `typing` frames of a room (seconds)."""
LOOKER_S = 0.001
"""The same, per connection that looks at the room: so a room costs at most a hundredth of the gateway's time."""
LOOKERS_PER_TURN = 50
"""Connections that are written to per event-loop turn: half a millisecond's work."""


class _Author(msgspec.Struct):
    """What typing needs of a message."""

    username: str = ""


_author = msgspec.json.Decoder(_Author).decode


class TypingFeed:
    """Owns the table of who is typing. `clock` is monotonic seconds."""

    def __init__(
        self,
        looks: LookRegistry[WatchingConnection],
        rooms: Mapping[int, Room],
        channel: SignalChannel,
        limits: Limits,
        clock: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`rooms` are the open rooms by id, as they are at any time."""
        self._looks = looks
        self._rooms = rooms
        self._channel = channel
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self.table = TypingTable(limits.typing_every_s, limits.typing_for_s)
        self._due_s: dict[int, float] = {}
        """By room id: when its lookers are told at the earliest."""
        self._again_s: dict[int, float] = {}
        """By room id: when its lookers are told again what they were told."""
        self._every_s = limits.typing_every_s
        self._told: dict[WatchingConnection, bytes] = {}
        """The last frame that each looker was told; absent: that no one is typing."""
        self._tasks = TaskSet()

    def type(self, member: Member, room: Room) -> None:
        """A user of this gateway is typing; other gateways are told at most every `typing_every_s`."""
        if not (member.privacy.typing and member.privacy.presence):
            return
        now_s = self._clock()
        if self.table.is_due(room.room_id, member.username, now_s):
            self.table.note(room.room_id, member.username, now_s)
            if self._channel.budget.may_type(now_s):
                signal = UserTyping(gateway=self._channel.gateway, room_id=room.room_id, username=member.username)
                self._tasks.spawn(self._channel.publish(signal))
            else:
                self._metrics.typing_dropped.inc()

    def on_signal(self, signal: UserTyping) -> None:
        """A user of another gateway is typing."""
        if signal.gateway != self._channel.gateway and signal.room_id in self._rooms:
            self.table.note(signal.room_id, signal.username, self._clock())

    def on_messages(self, room_id: int, payloads: Sequence[bytes]) -> None:
        """Messages in a room in which a user is typing: their senders have ended."""
        for payload in payloads:
            self.table.end(room_id, _author(payload).username)

    def begin_look(self, connection: WatchingConnection, room_id: int) -> None:
        """A connection looks at a room now: it is told soon who is typing there."""
        self._told.pop(connection, None)
        if room_id in self.table.rooms:
            self.table.changed.add(room_id)

    def forget(self, connection: WatchingConnection) -> None:
        """The connection looks at no room any more."""
        self._told.pop(connection, None)

    def send_missed(self, connection: WatchingConnection) -> None:
        """Tell a connection whose socket is no longer full who is typing now, if it was told something else."""
        if (room_id := self._looks.room_of(connection)) is not None and (room := self._rooms.get(room_id)) is not None:
            self._tell(connection, room, self._frames(room))

    async def run(self) -> NoReturn:
        """Tell lookers until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Tell the lookers of each room that is due who is typing.

        While a user goes on, that is told again from time to time: clients forget it otherwise.
        """
        if not (self.table.rooms or self.table.changed or self._due_s):
            return
        now_s = self._clock()
        self.table.expire(now_s)
        again = {room_id for room_id in self.table.rooms if self._again_s.get(room_id, now_s + 1) <= now_s}
        for room_id in [each for each in self.table.changed | again if self._due_s.get(each, now_s) <= now_s]:
            self.table.changed.discard(room_id)
            room, lookers = self._rooms.get(room_id), list(self._looks.lookers(room_id))
            if room is not None and lookers:
                self._due_s[room_id] = now_s + max(PAUSE_S, LOOKER_S * len(lookers))
                self._again_s[room_id] = now_s + self._every_s
                await self._tell_all(room, lookers, again=room_id in again)
        for room_id in [each for each, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[room_id]
        for room_id in self._again_s.keys() - self.table.rooms.keys():
            del self._again_s[room_id]

    async def _tell_all(self, room: Room, lookers: Sequence[WatchingConnection], *, again: bool) -> None:
        """The same bytes to all, but to those who are typing themselves; a crowd is written to a few at a time."""
        finished = self._frames(room)
        for number, connection in enumerate(lookers, 1):
            if self._looks.room_of(connection) == room.room_id:
                self._tell(connection, room, finished, again=again)
            if number % LOOKERS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _frames(self, room: Room) -> dict[str, bytes]:
        """The frame for each user who is typing, and under an empty name that for all others; empty: no one types."""
        who = self.table.who(room.room_id)
        told = {viewer: shown(who, viewer) for viewer in ("", *who)}
        return {viewer: _frame(room, *others) if others[0] else b"" for viewer, others in told.items()}

    def _tell(
        self, connection: WatchingConnection, room: Room, finished: Mapping[str, bytes], *, again: bool = False
    ) -> None:
        viewer = connection.member.username if connection.member is not None else ""
        frame = finished.get(viewer, finished[""])
        if connection.is_full or (frame == self._told.get(connection, b"") and not (again and frame)):
            return
        connection.write(frame or _frame(room, (), 0))
        self._metrics.typing_frames.inc()
        if frame:
            self._told[connection] = frame
        else:
            del self._told[connection]

    async def close(self) -> None:
        await self._tasks.close()


def _frame(room: Room, who: tuple[str, ...], more: int) -> bytes:
    return text_frame(codec.encode(frames.TypingUpdate(room=room.name, who=who, more=more)))
