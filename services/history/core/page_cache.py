"""Encoded pages of rooms, and who may read them, in memory; each commit drops what it changes. Pure.

A page that began to be read before a commit can arrive after it. So the reader takes a `Ticket` first, and the page is
kept only if no commit since may have changed it.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from chatterbox.chassis.core.lru_dict import LruDict
from chatterbox.wire.broker_events import MembershipChanged, RoomDeleted, RoomEvent
from services.history.core.append_plan import AppendPlan

CACHED_BYTES = 32 * 2**20
"""Size of all cached pages and rooms."""
CACHED_MEMBERS = 100_000
"""Pairs of a room and a user who is known to be a member, over all rooms."""
CACHED_NAMES = 20_000
"""Room names, as spelled in requests."""
PAGES_OF_ROOM = 64
OVERHEAD_BYTES = 500
"""Memory of a room without its pages, or of a page without its body: an estimate."""


class EncodedPage(NamedTuple):
    """A page as it is sent."""

    body: bytes
    etag: bytes
    """With its quotes."""
    rev: bytes
    """The room's rev as of which the messages are, in digits."""
    is_closed: bool
    """Whether new messages of the room leave the page as it is."""


@dataclass(slots=True, eq=False)
class CachedRoom:
    """What is known about a room; empty once it was dropped."""

    room_id: int
    members: set[int] = field(default_factory=set)
    """User ids that are known to be of members."""
    pages: dict[Hashable, EncodedPage] = field(default_factory=dict)
    appends: int = 0
    """Commits with new messages since the room is cached."""
    changes: int = 0
    """Commits that changed messages since the room is cached."""


class Ticket(NamedTuple):
    """The state of a room when a page began to be read."""

    room: CachedRoom
    appends: int
    changes: int


class PageCache:
    """Rooms by id and by name. If there is too much, the least recently used rooms are dropped."""

    def __init__(self, cached_bytes: int = CACHED_BYTES, cached_members: int = CACHED_MEMBERS) -> None:
        self._cached_bytes = cached_bytes
        self._cached_members = cached_members
        self._rooms: OrderedDict[int, CachedRoom] = OrderedDict()  # bounded: by `_shrink`
        self._names: LruDict[str, CachedRoom] = LruDict(CACHED_NAMES)
        self._bytes = 0
        self._members = 0
        self._endings = 0

    @property
    def size_bytes(self) -> int:
        """Memory of the cached pages and rooms."""
        return self._bytes

    @property
    def endings(self) -> int:
        """Counts the ended memberships and rooms; to be read before a membership is read."""
        return self._endings

    def room_of(self, name: str, user_id: int) -> CachedRoom | None:
        """The room of this name, as spelled in `add_member`, if the user is known to be a member."""
        room = self._names.get(name)
        if room is None or user_id not in room.members:
            return None
        self._rooms.move_to_end(room.room_id)
        return room

    def add_member(self, name: str, room_id: int, user_id: int, *, endings: int) -> CachedRoom:
        """Cache a room, and that a user is a member of it, unless a membership ended since `endings` was read."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = CachedRoom(room_id)
            self._bytes += OVERHEAD_BYTES
        self._rooms.move_to_end(room_id)
        if endings == self._endings:
            self._names.put(name, room)
            if user_id not in room.members:
                room.members.add(user_id)
                self._members += 1
        self._shrink()
        return room

    def ticket(self, room: CachedRoom) -> Ticket:
        """To be taken before a page of the room is read."""
        return Ticket(room, room.appends, room.changes)

    def put(self, ticket: Ticket, key: Hashable, page: EncodedPage) -> None:
        """Cache a page, unless a commit since `ticket` was taken may have changed it."""
        room, appends, changes = ticket
        is_current = changes == room.changes and (page.is_closed or appends == room.appends)
        if not is_current or self._rooms.get(room.room_id) is not room:
            return
        self._remove(room, [key])
        room.pages[key] = page
        self._bytes += len(page.body) + OVERHEAD_BYTES
        if len(room.pages) > PAGES_OF_ROOM:
            self._remove(room, [next(iter(room.pages))])
        self._shrink()

    def follow(self, events: Iterable[RoomEvent], plan: AppendPlan) -> None:
        """Drop what a commit changed or ended; to be called before its callers learn of it."""
        for event in events:
            if isinstance(event, RoomDeleted):
                self._endings += 1
                self._drop(event.room_id)
            elif isinstance(event, MembershipChanged) and not event.member:
                self._endings += 1
                self._end_membership(event.room_id, event.user_id)
        rooms = self._rooms
        if not rooms:
            return
        if plan.changes is not None:
            for room_id in plan.changes.changed:
                if (room := rooms.get(room_id)) is not None:
                    room.changes += 1
                    self._remove(room, list(room.pages))
        for room_id in plan.tails:
            if (room := rooms.get(room_id)) is not None:
                room.appends += 1
                self._remove(room, [key for key, page in room.pages.items() if not page.is_closed])

    def clear(self) -> None:
        """Drop everything: it is not known what was committed."""
        self._endings += 1
        for room_id in list(self._rooms):
            self._drop(room_id)

    def _end_membership(self, room_id: int, user_id: int) -> None:
        room = self._rooms.get(room_id)
        if room is not None and user_id in room.members:
            room.members.remove(user_id)
            self._members -= 1

    def _drop(self, room_id: int) -> None:
        room = self._rooms.pop(room_id, None)
        if room is not None:
            self._remove(room, list(room.pages))
            self._bytes -= OVERHEAD_BYTES
            self._members -= len(room.members)
            room.members.clear()

    def _remove(self, room: CachedRoom, keys: Iterable[Hashable]) -> None:
        for key in keys:
            page = room.pages.pop(key, None)
            if page is not None:
                self._bytes -= len(page.body) + OVERHEAD_BYTES

    def _shrink(self) -> None:
        while self._bytes > self._cached_bytes or self._members > self._cached_members:
            self._drop(next(iter(self._rooms)))
