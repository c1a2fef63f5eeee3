"""A cache of names that the server sent (rooms, people, sessions), on disk, so that completion needs no network.

No decision depends on it: a missing or stale name only makes completion worse. The cache also stores the epoch of each
room's history, so that a restored backup is reported to a client that was not running at the time.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.core import notes
from client.store.file_names import user_file
from client.store.private_files import replace_file

LIMIT = 500
"""Names kept of each kind; beyond that, the least recently named is dropped."""


@dataclass(frozen=True, slots=True)
class CachedNames:
    """Names for completion, the most likely of each kind first."""

    rooms: tuple[str, ...] = ()
    """Rooms that the user is in."""
    other_rooms: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    epochs: dict[str, str] = field(default_factory=dict)
    """The epoch of each room when a line-based chat connected last."""

    @property
    def all_rooms(self) -> tuple[str, ...]:
        """Every room that the server listed, including rooms that the user left."""
        return (*self.rooms, *self.other_rooms)


def learned(names: CachedNames, note: notes.Note) -> CachedNames:
    """Return the names after `note`. Pure."""
    match note:
        case notes.WelcomeReceived(rooms=rooms):
            return replace(names, rooms=_kept(names.rooms, [room.room for room in rooms]))
        case notes.CommandAnswered(reply=frames.RoomList(rooms=rooms)):
            mine = [room.room for room in rooms if room.member]
            others = [room.room for room in rooms if not room.member]
            return replace(names, rooms=_kept(names.rooms, mine), other_rooms=tuple(others[:LIMIT]))
        case notes.RoomEntered(room=room) | notes.CommandAnswered(reply=frames.Created(room=room)):
            return replace(names, rooms=_first(names.rooms, room), other_rooms=_without(names.other_rooms, room))
        case (
            notes.RoomGone(room=room, reason=notes.GoneReason.DELETED)
            | notes.CommandAnswered(reply=frames.Left(room=room, deleted=True))
            | notes.CommandAnswered(reply=frames.DeletedRoom(room=room))
        ):
            names = _left(names, room)
            return replace(names, other_rooms=_without(names.other_rooms, room))
        case notes.RoomGone(room=room) | notes.CommandAnswered(reply=frames.Left(room=room)):
            return _left(names, room)
        case notes.MessageShown(message=message, mine=False):
            return replace(names, people=_first(names.people, message.username))
        case notes.MembershipChange(membership=change, mine=False) if change.member:
            return replace(names, people=_first(names.people, change.username))
        case _:
            pass  # other notes name nothing new
    return names


def _left(names: CachedNames, room: str) -> CachedNames:
    epochs = {name: epoch for name, epoch in names.epochs.items() if name != room}
    others = _first(names.other_rooms, room)
    return replace(names, rooms=_without(names.rooms, room), other_rooms=others, epochs=epochs)


def _kept(before: tuple[str, ...], now: list[str]) -> tuple[str, ...]:
    """The names of `now`, those of `before` first and in their earlier order."""
    present = set(now)
    kept = [name for name in before if name in present]
    return tuple([*kept, *(name for name in now if name not in set(kept))][:LIMIT])


def _first(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if names[:1] == (name,) else (name, *_without(names, name))[:LIMIT]


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(other for other in names if other != name)


def name_cache_path(home: Path, server: str, username: str) -> Path:
    return user_file(home / "known", server, username, ".json")


class NameCache:
    """The names of one server and user, with their file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names = load(path)
        self._saved = self.names
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    def learning(self, show: Callable[[notes.Note], None]) -> Callable[[notes.Note], None]:
        """Wrap `show` to learn from each note first. Rooms are saved at once, other names at the end."""

        def learn_and_show(note: notes.Note) -> None:
            with self._lock:
                self.names = learned(self.names, note)
                if (self.names.rooms, self.names.other_rooms) != (self._saved.rooms, self._saved.other_rooms):
                    self.save()
            show(note)

        return learn_and_show

    def learn(self, *, people: Iterable[str] = (), sessions: Iterable[str] | None = None) -> None:
        """Add names from an HTTP response."""
        with self._lock:
            unknown = [name for name in people if name not in self.names.people]
            self.names = replace(self.names, people=(*self.names.people, *unknown)[:LIMIT])
            if sessions is not None:
                self.names = replace(self.names, sessions=tuple(sessions)[:LIMIT])

    def changes(self, rooms: Iterable[frames.RoomState]) -> list[notes.RoomReset | notes.RoomGone]:
        """Return what changed since the last call, in this run or an earlier one: replaced histories, removed rooms."""
        with self._lock:
            before, now = self.names.epochs, {room.room: room for room in rooms}
            self.names = replace(self.names, epochs={name: room.at.epoch for name, room in now.items()})
            self.save()
        restored = [room for name, room in now.items() if before.get(name, room.at.epoch) != room.at.epoch]
        return [notes.RoomReset(room.room, room.at) for room in restored] + [
            notes.RoomGone(name) for name in before if name not in now
        ]

    def save(self) -> None:
        with self._lock:
            if self.names == self._saved:
                return
            self._saved = self.names
            with suppress(OSError, UnicodeEncodeError):  # a full disk must not end a chat: only completion suffers
                replace_file(self._path, msgspec.json.encode(self.names))


def load(path: Path) -> CachedNames:
    try:
        return decode_json(path.read_bytes(), CachedNames)
    except (OSError, UnreadableError):
        return CachedNames()
