"""All rooms that the screen knows, their order in the room list, and the sums over them. Pure."""

from collections.abc import Mapping, Sequence

from chatterbox.wire.frames import RoomSummary
from client.core.direct_rooms import is_direct
from client.core.message_changes import HeldMessages
from client.core.outbox_entry import OutboxEntry
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.rooms.room_order import OrderedRooms, RoomOrder
from client.screen.model.rooms.saved_room import SavedRoom
from client.screen.model.rooms.totals import Totals


class RoomDirectory:
    """The rooms by name, also those that the user has left."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomModel] = {}
        self.totals = Totals()
        self.order = RoomOrder()
        self.listed: dict[str, bool] = {}
        """Rooms in the server's last list, and whether the user is a member."""
        self._members_changed = 0
        """How often the user came into a room or left one, or a room was added."""
        self._ordered: tuple[object, OrderedRooms] | None = None
        """The rooms in order, and what they depend on."""
        self._with_outbox: set[str] = set()
        """Rooms that had unsent messages."""

    def ensure(self, name: str, *, member: bool = True) -> RoomModel:
        """Return the room of that name; create it if there is none."""
        if name not in self.rooms:
            self.rooms[name] = RoomModel(name, member, totals=self.totals)
        return self.rooms[name]

    def set_member(self, name: str, member: bool, *, private: bool | None = None) -> None:
        """The user is in a room, which is listed last if it is new, or is not."""
        room = self.ensure(name, member=member)
        self._members_changed += room.member is not member
        room.set_member(member, private=private)
        if member:
            self.order.add(name)
        else:
            self.order.remove(name)

    def restore(self, name: str, saved: SavedRoom, me: str) -> None:
        """Take over what an earlier run saved of a room."""
        self.ensure(name).restore(saved, me)
        self._members_changed += 1
        if saved.member:
            self.order.add(name)

    def set_listed(self, rooms: Sequence[RoomSummary]) -> None:
        """Take over the server's list of rooms."""
        self.listed = {room.room: room.member for room in rooms}
        for room in rooms:
            if room.room in self.rooms:
                self.rooms[room.room].set_private(room.private)

    def set_outbox(self, unsent: Mapping[str, tuple[OutboxEntry, ...]], in_flight: Mapping[str, int]) -> None:
        """Take over the core's outbox: the unsent messages and the message in flight of each room."""
        for name in self._with_outbox.union(unsent):
            self.ensure(name).set_outbox(unsent.get(name, ()), in_flight=name in in_flight)
        self._with_outbox = set(unsent)

    def held_messages(self) -> dict[str, HeldMessages]:
        """Return what is loaded or saved of each room, for the core to bring up to date."""
        return {
            room.name: HeldMessages(first, room.log.epoch, room.rev)
            for room in self.rooms.values()
            if (first := room.first_held) is not None
        }

    def set_revs(self, revs: Mapping[str, int | None]) -> None:
        """Take over up to which rev of each room the core has reported changes; None: not known."""
        for name, rev in revs.items():
            if rev is not None and name in self.rooms:
                self.rooms[name].set_rev(rev)

    def ordered(self, open_room: RoomModel) -> OrderedRooms:
        """The room list: the rooms that the user is in, and the open room. Direct conversations come first.

        It is made again only when it changes, not for each draw.
        """
        depends_on = (self.order.version, self._members_changed, len(self.rooms), open_room.name)
        if self._ordered is None or self._ordered[0] != depends_on:
            shown = (room for room in self.rooms.values() if room.member or room is open_room)
            place = self.order.place
            rooms = sorted(shown, key=lambda room: (not is_direct(room.name), place(room.name), room.name))
            directs = sum(is_direct(room.name) for room in rooms)
            places = {room.name: number for number, room in enumerate(rooms)}
            self._ordered = (depends_on, OrderedRooms(rooms, directs, places))
        return self._ordered[1]
