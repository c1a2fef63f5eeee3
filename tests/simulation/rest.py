"""How a world must be when all is mended and everything has arrived: nobody lacks anything, inside or out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.gateway.gateway import Gateway
from tests.simulation.history import StoredHistory
from tests.simulation.reader import Reader

if TYPE_CHECKING:
    from tests.simulation.world import World


def unrest(world: "World") -> Iterator[str]:
    """What is not so, a sentence each."""
    for reader in world.readers:
        if not reader.is_over:
            yield from _of_reader(reader, world.history.stored)
    for site in world.sites:
        if site.gateway is None:
            yield "A gateway does not start."
        else:
            yield from _of_gateway(site.gateway)


def _of_reader(reader: Reader, stored: StoredHistory) -> Iterator[str]:
    line = reader.line
    if line is None or not line.is_welcome:
        yield f"{reader.name} is not connected."
        return
    if reader.outbox or line.in_flight:
        yield f"{reader.name} has messages that are not answered."
    rooms = {room.name: room for room in stored.rooms_of(reader.person.user_id)}
    if reader.rooms != rooms.keys():
        yield f"{reader.name} takes itself for a member of {sorted(reader.rooms)}, and is one of {sorted(rooms)}."
        return
    for name, room in rooms.items():
        held = reader.held[name]
        if (held.epoch, held.whole) != (room.epoch, room.head):
            yield f"{reader.name} has {name} up to {held.at}; it ends at {room.epoch}:{room.head}."


def _of_gateway(gateway: Gateway) -> Iterator[str]:
    hub = gateway.hub
    for connection in hub.connections:
        if not connection.is_open or connection.member is None:
            continue
        for room in connection.member.rooms.values():
            if connection not in room.live or connection in room.behind:
                yield f"{connection.connection_id} is not live in {room.name}."
            if gateway.feed.rooms.get(room.room_id) is not room:
                yield f"{connection.connection_id} is in a {room.name} that is no more."
    for room in gateway.feed.rooms.values():
        if not room.is_idle and (room.opened.has_gap or room.opened.early or room.pending):
            yield f"{room.name} is not whole."
