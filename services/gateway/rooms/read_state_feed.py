"""Tells a user's connections what another device of theirs has read, and reads the states that a `welcome` contains.

Nothing of it is kept here. A signal that the broker loses is made up for by the next one of that room, by `welcome`,
and by reading the states again when the broker reports a possible loss.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import msgspec

from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import ReadStatesChanged
from chatterbox.wire.errors import ChatError
from chatterbox.wire.read_state import ReadState
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room, RoomConnection
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.read_states")

LOAD_S = 1.0
"""Longest time that a `welcome` waits for read states (seconds); then it leaves without them."""
LOAD_PAUSE_S = 0.02
"""Least time between two calls for states of users who are welcomed (seconds); a call costs as much as one welcome."""
USERS_PER_REFRESH = 100
"""Users whose states are read in one call after a possible loss."""
ENTERED_PER_CALL = 500
"""Entered rooms whose states are read in one call."""
RETRY_S = 1.0
"""Pause after history did not tell the states of entered rooms (seconds)."""


class ReadStateFeed:
    """Tells connections of `members` in `rooms`, both by id as they are at any time."""

    def __init__(
        self,
        members: Mapping[int, Member],
        rooms: Mapping[int, Room],
        history: HistoryClient,
        origin: str,
        metrics: GatewayMetrics | None = None,
        *,
        on_read: Callable[[int, str, int], None] = lambda *_: None,
    ) -> None:
        """`origin` names this gateway to history, in calls whose effect it tells to its own connections itself.

        `on_read` is called with a room, the name of a user who shows read receipts there, and how far they have read.
        """
        self.origin = origin
        self.on_read = on_read
        self._members = members
        self._rooms = rooms
        self._history = history
        self._metrics = metrics or GatewayMetrics()
        self._told: dict[int, list[dict[int, ReadState]]] = {}
        """By user id: who collects what is told (see `collect`)."""
        self._held: list[tuple[RoomConnection, int]] = []
        """Connections that are told nothing of a room (by id) for now (see `hold`)."""
        self._missed: dict[RoomConnection, dict[str, bytes]] = {}
        """Of connections whose socket is full: by room, the last frame that they were not written."""
        self._askers: dict[int, str] = {}
        self._next_load: asyncio.Task[Mapping[int, Mapping[int, ReadState]]] | None = None
        self._next_load_s = float("-inf")
        """History is not asked earlier for the states of those who wait, by the event loop's clock."""
        self._loading = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None
        self._entered: dict[tuple[int, int], int] = {}
        """By user id and room id: the offset up to which the user's connections were told that the room is read."""
        self._comparison: asyncio.Task[None] | None = None
        self._incident = Incident(log, down="read_states.unavailable", up="read_states.recovered")
        self._tasks = TaskSet()

    async def close(self) -> None:
        await self._tasks.close()

    # Telling

    def tell(self, user_id: int, room_id: int, state: ReadState, *, exclude: Collection[RoomConnection] = ()) -> None:
        """Send the state of a room to the connections of its user that are here, except those that know it."""
        member = self._members.get(user_id)
        if member is None:
            return
        for told in self._told.get(user_id, ()):
            told[room_id] = state
        if self._held:
            exclude = {*exclude, *(connection for connection, held in self._held if held == room_id)}
        self._send(member, {room_id: state}, exclude)

    def _send(self, member: Member, states: Mapping[int, ReadState], exclude: Collection[RoomConnection] = ()) -> None:
        """Send states of rooms that the member is in, in one write per connection."""
        connections = [each for each in member.connections if each.is_open and each not in exclude]
        if not connections:
            return
        finished = {
            room.name: text_frame(codec.encode(frames.Own(room=room.name, **fields(state))))
            for room_id, state in states.items()
            if (room := self._rooms.get(room_id)) is not None and member.rooms.get(room.name) is room
        }
        if not finished:
            return
        joined = b"".join(finished.values())
        for connection in connections:
            if connection.is_full:
                self._missed.setdefault(connection, {}).update(finished)
            else:
                connection.write(joined)
                self._metrics.own_told.inc(len(finished))

    @contextmanager
    def hold(self, connection: RoomConnection, member: Member, room_id: int) -> Iterator[None]:
        """Tell a connection the last state of a room after the block instead of each during it.

        The reply that is sent at the end of the block may be older than what is told meanwhile.
        """
        place = connection, room_id
        self._held.append(place)
        try:
            with self.collect(member.user_id) as told:
                yield
        finally:
            self._held.remove(place)
        if (last := told.get(room_id)) is not None:
            self._send(member, {room_id: last}, exclude=member.connections - {connection})

    def send_missed(self, connection: RoomConnection) -> None:
        """Send a connection whose socket is no longer full what it was not sent meanwhile."""
        if (missed := self._missed.pop(connection, None)) is not None:
            connection.write(b"".join(missed.values()))
            self._metrics.own_told.inc(len(missed))

    def forget(self, connection: RoomConnection) -> None:
        """The connection is closed."""
        self._missed.pop(connection, None)

    @contextmanager
    def collect(self, user_id: int) -> Iterator[dict[int, ReadState]]:
        """Collect what the user's connections are told during the block, by room id.

        An answer of history that was asked for in the block may be older; `newest` combines both.
        """
        told: dict[int, ReadState] = {}
        self._told.setdefault(user_id, []).append(told)
        try:
            yield told
        finally:
            collectors = self._told[user_id]
            collectors[:] = [each for each in collectors if each is not told]
            if not collectors:
                del self._told[user_id]

    # From the broker

    def on_signal(self, signal: ReadStatesChanged) -> None:
        """History has stored what was read elsewhere."""
        if signal.origin == self.origin:
            return
        for user_id, room_id, state, reader in signal.states:
            if reader:
                self.on_read(room_id, reader, state.read)
            if (member := self._members.get(user_id)) is not None:
                member.note_elsewhere()
                self.tell(user_id, room_id, state)

    def on_possible_loss(self) -> None:
        """The broker may have lost signals."""
        if self._refresh is None or self._refresh.done():
            self._refresh = self._tasks.spawn(self._refresh_all())

    async def _refresh_all(self) -> None:
        """Tell users with several devices their states as history has them now."""
        users = [member for member in self._members.values() if member.has_other_devices]
        for first in range(0, len(users), USERS_PER_REFRESH):
            part = {member.user_id: member.username for member in users[first : first + USERS_PER_REFRESH]}
            with ExitStack() as stack:
                told = {user_id: stack.enter_context(self.collect(user_id)) for user_id in part}
                try:
                    answer = await self._history.read_states(part)
                except ChatError as problem:
                    self._incident.fail(problem.detail)
                    return
                self._incident.recover()
                for user_id, states in answer.of.items():
                    if (member := self._members.get(user_id)) is not None:
                        self._send(member, {room: states[room] for room in states.keys() - told[user_id].keys()})
                        await asyncio.sleep(0)  # a user may have a thousand rooms: others get their turn

    # Entered rooms

    def compare_entered(self, member: Member, room: Room, read: int) -> None:
        """Compare what a member's connections were told, that the room is read up to `read`, with history's state soon.

        They are told where that differs: an event about the membership may be late, and the user may have read more.
        """
        self._entered[member.user_id, room.room_id] = read
        if self._comparison is None or self._comparison.done():
            self._comparison = self._tasks.spawn(self._compare_entered())

    async def _compare_entered(self) -> None:
        while self._entered:
            part = dict(islice(self._entered.items(), ENTERED_PER_CALL))
            for place in part:
                del self._entered[place]
            here = {place: read for place, read in part.items() if place[0] in self._members}
            if here and not await self._tell_entered(here):
                self._entered = here | self._entered
                await asyncio.sleep(RETRY_S)

    async def _tell_entered(self, entered: Mapping[tuple[int, int], int]) -> bool:
        """Tell states that differ from what was told; returns False if history did not answer."""
        positions = [history_api.ReadPosition(room_id, user_id, 0, 0) for user_id, room_id in entered]  # none is less
        with ExitStack() as stack:
            told = {user_id: stack.enter_context(self.collect(user_id)) for user_id, _ in entered}
            try:
                states = (await self._history.store_reads(positions, self.origin)).states
            except ChatError as problem:
                self._incident.fail(problem.detail)
                return False
            self._incident.recover()
            for ((user_id, room_id), read), state in zip(entered.items(), states, strict=True):
                member = self._members.get(user_id)
                if member is None or state is None or room_id in told[user_id]:
                    continue
                if state.turn or state.read != read or state.notify or state.until:
                    self._send(member, {room_id: state})
        return True

    # For a welcome

    async def load(self, member: Member) -> Mapping[int, ReadState] | None:
        """A user's state of each room by room id; None if history does not answer in time.

        Users who ask while history answers for others are answered together, so a crowd takes a few calls.
        """
        self._askers[member.user_id] = member.username
        if self._next_load is None:
            self._next_load = self._tasks.spawn(self._load_askers())
        return (await asyncio.shield(self._next_load)).get(member.user_id)

    async def _load_askers(self) -> Mapping[int, Mapping[int, ReadState]]:
        async with self._loading:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._next_load_s - loop.time()))
            self._next_load_s = loop.time() + LOAD_PAUSE_S
            self._next_load = None
            askers, self._askers = self._askers, {}
            try:
                async with deadline(LOAD_S):
                    return (await self._history.read_states(askers)).of
            except (ChatError, TimeoutError):
                self._metrics.read_states_failed.inc()
                return {}


def newest(loaded: Mapping[int, ReadState] | None, told: Mapping[int, ReadState]) -> Mapping[int, ReadState]:
    """States by room id: as history answered or, where that is later, as connections were told since it was asked."""
    if loaded is None or not told:
        return told if loaded is None else loaded
    later = {room_id: state for room_id, state in told.items() if _age(state) >= _age(loaded.get(room_id, state))}
    return {**loaded, **later}


def first_push(head: int, state: ReadState | None) -> int:
    """The offset after which a connection that holds no message of a room is pushed messages: usually its head.

    Messages that arrived since history counted the unread ones are pushed, so that the client counts them.
    """
    return min(head, state.counted) if state is not None and state.counted else head


def _age(state: ReadState) -> tuple[int, int, int]:
    return state.turn, state.read, state.counted


def fields(state: ReadState | None) -> dict[str, Any]:
    """The fields of a frame that tell a room's state; none if it is not known."""
    return {} if state is None else msgspec.structs.asdict(state)
