"""Checks of a world after all faults have ended: every reader and every gateway must be complete."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.gateway.core.frame_writer import payload_of
from services.gateway.gateway import Gateway
from services.gateway.rooms.room import Room
from tests.simulation.history import StoredHistory
from tests.simulation.reader import Reader
from tests.simulation.stored_reads import recount
from tests.simulation.stored_room import StoredRoom
from tests.support.read_progress import ReadPlace

if TYPE_CHECKING:
    from tests.simulation.world import World


def problems(world: "World") -> Iterator[str]:
    """Yield one sentence per problem."""
    for reader in world.readers:
        if not reader.is_over:
            yield from _of_reader(reader, world.history.stored)
    for process in world.gateways:
        if process.gateway is None:
            yield "A gateway does not start."
        else:
            yield from _of_gateway(process.gateway, world.history.stored)


def _of_reader(reader: Reader, stored: StoredHistory) -> Iterator[str]:
    connection = reader.connection
    if connection is None or not connection.is_welcome:
        yield f"{reader.name} is not connected."
        return
    if reader.outbox or connection.in_flight or connection.changing:
        yield f"{reader.name} has unanswered messages."
    rooms = {room.name: room for room in stored.rooms_of(reader.person.user_id)}
    if reader.rooms != rooms.keys():
        yield f"{reader.name} believes to be a member of {sorted(reader.rooms)}, but is one of {sorted(rooms)}."
        return
    for name, room in rooms.items():
        progress = reader.progress[name]
        if (progress.epoch, progress.complete) != (room.epoch, room.head):
            yield f"{reader.name} has {name} up to {progress.at}; it ends at {room.epoch}:{room.head}."
        elif (progress.rev, progress.told) != (room.rev, room.rev):
            yield f"{reader.name} has {name} as of rev {progress.rev}, and was told {progress.told} of {room.rev}."


def read_problems(world: "World") -> Iterator[str]:
    """Yield one sentence per device that knows less of what its user has read than history, or counts otherwise."""
    for reader in world.readers:
        for room in world.history.stored.rooms_of(reader.person.user_id) if not reader.is_over else ():
            reads = reader.reads.get(room.name)
            if reader.connection is None or not reader.connection.is_welcome or reads is None:
                yield f"{reader.name} is not connected again, or not in {room.name}."
                continue
            stored = ReadPlace(*world.history.stored.reads.points[reader.person.user_id, room.room_id])
            if reads.place != stored or reads.has_more:
                yield f"{reader.name} knows {reads.known} in {room.name}; {stored} is stored."
                continue
            found = reads.unread, reads.mentions
            unread, mentions = recount(reader.person.user_id, room, reads.place.offset)
            has_left = (reader.person.user_id, room.room_id) in world.history.stored.reads.left
            if found != (unread, found[1] if has_left else mentions):
                yield f"{reader.name} was told {found} unread and mentions in {room.name}; it has {unread}, {mentions}."


def _of_gateway(gateway: Gateway, stored: StoredHistory) -> Iterator[str]:
    rooms = gateway.feed.rooms
    for connection in gateway.hub.connections:
        if not connection.is_open or connection.member is None:
            continue
        for room in connection.member.rooms.values():
            if connection not in room.live or connection in room.behind:
                yield f"{connection.connection_id} is not live in {room.name}."
            if rooms.get(room.room_id) is not room:
                yield f"{connection.connection_id} is in an instance of {room.name} that was closed."
    for room in rooms.values():
        if room.is_idle:
            continue
        if room.has_gap or room.opened.early or room.pending:
            yield f"{room.name} is not complete."
        yield from _of_memory(room, stored.rooms[room.room_id])


def _of_memory(room: Room, stored: StoredRoom) -> Iterator[str]:
    if room.rev != stored.rev:
        yield f"{room.name} was told changes up to rev {room.rev} of {stored.rev}."
    recent = room.opened.recent
    for offset, frame in enumerate(recent.frames, recent.first):
        if offset > stored.head or payload_of(frame) != stored.frame(offset):
            yield f"{room.name} has {offset} in memory otherwise than it is stored."
