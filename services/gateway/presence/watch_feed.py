"""Tells connections of the users whom they watch: presence once a second, and profiles when they change."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NoReturn, Protocol, cast

import msgspec

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames
from chatterbox.wire.broker_events import PersonChanged
from chatterbox.wire.errors import ChatError
from chatterbox.wire.history_api import StoredPerson
from chatterbox.wire.people import PresenceState, Privacy, Profile, last_seen
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.core.watch_registry import WatchRegistry
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import RoomConnection
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.watches")

TICK_S = 1.0
"""Time between two `presence` frames to one connection (seconds)."""
CONNECTIONS_PER_TURN = 50
"""Connections that are written to per event-loop turn: half a millisecond's work."""
PROFILES_S = 0.25
"""Time for which changed profiles are gathered (seconds)."""
PEOPLE_PER_CALL = 200
"""Users, and viewers, in one call of history."""
RETRY_S = 1.0
"""Pause after history did not answer (seconds)."""
_NOBODY: frozenset["WatchingConnection"] = frozenset()


class WatchingConnection(RoomConnection, Protocol):
    """A connection that watches users; `Connection` implements it."""

    @property
    def member(self) -> Member | None: ...


class _Person:
    """What is known of a watched user."""

    __slots__ = ("left_ms", "privacy", "seen", "username", "version")

    def __init__(self, stored: StoredPerson) -> None:
        self.username = stored.username
        self.left_ms = 0
        """When this gateway last learned that the user went offline (milliseconds since 1970)."""
        self.update(stored)

    def update(self, stored: StoredPerson) -> None:
        """Take over what history answered."""
        self.privacy: Privacy = stored.privacy
        self.seen = stored.seen
        self.version = stored.version


class WatchFeed:
    """Answers `watch`, and tells what changes. `now_s` is seconds since 1970."""

    def __init__(
        self,
        members: Mapping[int, Member],
        presence: PresenceFeed,
        history: HistoryClient,
        now_s: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`members` are the connected users by id, as they are at any time."""
        self._members = members
        self._presence = presence
        self._history = history
        self._now_s = now_s
        self._metrics = metrics or GatewayMetrics()
        self._registry: WatchRegistry[WatchingConnection] = WatchRegistry()
        self._people: dict[int, _Person] = {}
        """Of each watched user."""
        self._asking: list[dict[int, PersonChanged]] = []
        """Who collects changes while history is asked (see `_collect`)."""
        self._unread: dict[int, frozenset[WatchingConnection] | None] = {}
        """Users whose profile must be read from history and told, to these connections; None: to all viewers."""
        self._missed_profiles: dict[WatchingConnection, set[int]] = {}
        """Of connections that were full: whose profiles they were not told."""
        self._comparison: asyncio.Task[None] | None = None
        self._tasks = TaskSet()
        self._to_read = asyncio.Event()
        self._incident = Incident(log, down="people.unavailable", up="people.recovered")
        self._metrics.watchers.set_function(lambda: self._registry.connections)
        self._metrics.watched.set_function(lambda: len(self._registry.users))

    # Watching

    async def watch(self, connection: WatchingConnection, member: Member, command: frames.Watch) -> frames.Watched:
        """Watch these users from now on, instead of others; returns the reply. Raises `ChatError`."""
        names, stored = command.usernames, list[StoredPerson]()
        with self._collect() as changed:
            if names:
                stored = await self._history.people([member.user_id], usernames=names, reader=member)
        for person in stored:
            self._take(person, changed.get(person.user_id))
        states = {person.user_id: self._state(person.user_id) for person in stored}
        if connection.is_closed:
            self._drop(set(states))
            return frames.Watched(id=command.id, people=[])
        self._drop(self._registry.watch(connection, states))
        return frames.Watched(id=command.id, people=[self._watched(person, member.user_id) for person in stored])

    @contextmanager
    def _collect(self) -> Iterator[dict[int, PersonChanged]]:
        """Collect whose profile or privacy changes while history is asked: its answer may be older."""
        changed: dict[int, PersonChanged] = {}
        self._asking.append(changed)
        try:
            yield changed
        finally:
            self._asking = [each for each in self._asking if each is not changed]

    def _take(self, stored: StoredPerson, changed: PersonChanged | None) -> None:
        """Take over what history answered, unless the user has changed it since."""
        known = self._people.get(stored.user_id)
        if known is None:
            known = self._people[stored.user_id] = _Person(stored)
        else:
            known.update(stored)
        if changed is not None and changed.version > stored.version:
            known.privacy = changed.privacy
            self._read_soon(stored.user_id)

    def _watched(self, stored: StoredPerson, viewer: int) -> frames.WatchedPerson:
        presence = self._entry(stored.user_id)
        return frames.WatchedPerson(
            username=presence.username,
            state=presence.state,
            seen=presence.seen,
            profile=_visible(stored, viewer),
            version=stored.version,
        )

    def _drop(self, user_ids: Collection[int]) -> None:
        for user_id in user_ids:
            if user_id not in self._registry:
                self._people.pop(user_id, None)
                self._unread.pop(user_id, None)

    def forget(self, connection: WatchingConnection) -> None:
        """The connection is closed."""
        self._missed_profiles.pop(connection, None)
        self._drop(self._registry.forget(connection))

    # Presence

    def _state(self, user_id: int) -> PresenceState:
        """The user's state as watchers are told it."""
        return self._presence.state(user_id) if self._people[user_id].privacy.presence else PresenceState.OFFLINE

    def _entry(self, user_id: int) -> frames.Presence:
        person, state = self._people[user_id], self._state(user_id)
        seen = ""
        if state is PresenceState.OFFLINE and person.privacy.presence:
            seen = max(person.seen, last_seen(person.left_ms, int(self._now_s() * 1000)))
        return frames.Presence(username=person.username, state=state, seen=seen)

    async def run(self) -> NoReturn:
        """Tell watchers what changed, once a second, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Tell watchers what changed since the last tick: each person is encoded once, and each set of them.

        A crowd is written to a few at a time, so that messages need not wait for it.
        """
        changed = self._presence.take_changed()
        if changed is None:
            self._registry.note_all()
        else:
            self._registry.note(changed)
        entries: dict[int, bytes] = {}
        finished: dict[tuple[int, ...], bytes] = {}
        for number, (connection, user_ids) in enumerate(self._registry.take(self._noted_state).items(), 1):
            if connection.is_full:
                self._registry.miss(connection, user_ids)
            else:
                if (frame := finished.get(key := tuple(user_ids))) is None:
                    frame = finished[key] = self._frame(user_ids, entries)
                connection.write(frame)
                self._metrics.presence_frames.inc()
            if number % CONNECTIONS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _noted_state(self, user_id: int) -> PresenceState:
        state = self._state(user_id)
        if state is PresenceState.OFFLINE and self._registry.was_here(user_id):
            self._people[user_id].left_ms = int(self._now_s() * 1000)
        return state

    def _frame(self, user_ids: Sequence[int], entries: dict[int, bytes]) -> bytes:
        """A `presence` frame, of entries that are encoded already where there are any."""
        known = [user_id for user_id in user_ids if user_id in self._people]
        for user_id in known:
            if user_id not in entries:
                entries[user_id] = msgspec.json.encode(self._entry(user_id))
        return text_frame(b'{"type":"presence","people":[%b]}' % b",".join(entries[user_id] for user_id in known))

    def send_missed(self, connection: WatchingConnection) -> None:
        """Tell a connection whose socket is no longer full what it was not told meanwhile: the last states only."""
        if user_ids := self._registry.take_missed(connection):
            connection.write(self._frame(user_ids, {}))
            self._metrics.presence_frames.inc()
        for user_id in self._missed_profiles.pop(connection, ()):
            self._read_soon(user_id, connection)

    # Profiles

    def on_person(self, change: PersonChanged) -> None:
        """A user changed their profile, who may see it, or their privacy."""
        for changed in self._asking:
            changed[change.user_id] = change
        if (person := self._people.get(change.user_id)) is not None:
            person.privacy = change.privacy
            self._registry.note([change.user_id])
        if person is not None or change.user_id in self._members:
            self._read_soon(change.user_id)

    def recheck(self) -> None:
        """Changes of people may have been lost: compare those who are watched with history."""
        if self._comparison is None or self._comparison.done():
            self._comparison = self._tasks.spawn(self._compare())

    async def _compare(self) -> None:
        for user_ids in _parts(self._registry.users):
            try:
                with self._collect() as changed:
                    stored = await self._history.people([], user_ids=user_ids)
            except ChatError as problem:
                self._incident.fail(problem.detail)
                return
            self._incident.recover()
            for each in stored:
                person = self._people.get(each.user_id)
                if person is not None and person.version != each.version and each.user_id not in changed:
                    person.privacy = each.privacy
                    self._registry.note([each.user_id])
                    self._read_soon(each.user_id)

    def _read_soon(self, user_id: int, connection: WatchingConnection | None = None) -> None:
        """Read a profile from history and tell it to this connection, or to everyone who watches the user."""
        before = self._unread.get(user_id, _NOBODY)
        self._unread[user_id] = None if connection is None or before is None else before | {connection}
        self._to_read.set()

    async def read_profiles(self) -> NoReturn:
        """Read and tell profiles until cancelled."""
        while True:
            await self._to_read.wait()
            self._to_read.clear()
            while self._unread:
                part = {user_id: self._unread.pop(user_id) for user_id in list(islice(self._unread, PEOPLE_PER_CALL))}
                if not await self._tell_profiles(part):
                    self._unread = part | self._unread
                    await asyncio.sleep(RETRY_S)
            await asyncio.sleep(PROFILES_S)

    async def _tell_profiles(self, targets: Mapping[int, frozenset[WatchingConnection] | None]) -> bool:
        """Tell profiles to their viewers; returns False if history did not answer."""
        viewers = {user_id: self._viewers(user_id, only) for user_id, only in targets.items()}
        everyone = {each.member.user_id for found in viewers.values() for each in found if each.member is not None}
        try:
            for part in _parts(everyone):
                for stored in await self._history.people(part, user_ids=tuple(targets)):
                    await self._tell_profile(stored, viewers[stored.user_id], frozenset(part))
        except ChatError as problem:
            self._incident.fail(problem.detail)
            return False
        self._incident.recover()
        return True

    def _viewers(self, user_id: int, only: frozenset[WatchingConnection] | None) -> list[WatchingConnection]:
        watchers = list(self._registry.watchers(user_id))
        if only is not None:
            return [each for each in watchers if each in only]
        own = self._members[user_id].connections if user_id in self._members else ()
        return [*watchers, *(cast("WatchingConnection", each) for each in own if each not in watchers)]

    async def _tell_profile(
        self, stored: StoredPerson, viewers: Sequence[WatchingConnection], asked: Collection[int]
    ) -> None:
        if (person := self._people.get(stored.user_id)) is not None and person.version <= stored.version:
            person.update(stored)
        finished: dict[Profile, bytes] = {}
        for number, connection in enumerate(viewers, 1):
            if connection.member is None or connection.member.user_id not in asked or not connection.is_open:
                continue
            if connection.is_full:
                self._missed_profiles.setdefault(connection, set()).add(stored.user_id)
                continue
            profile = _visible(stored, connection.member.user_id)
            if (frame := finished.get(profile)) is None:
                update = frames.ProfileUpdate(username=stored.username, profile=profile, version=stored.version)
                frame = finished[profile] = text_frame(codec.encode(update))
            connection.write(frame)
            if number % CONNECTIONS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        await self._tasks.close()


def _parts(user_ids: Collection[int]) -> Iterator[list[int]]:
    """Users in parts, each of which is one call of history."""
    rest = iter(tuple(user_ids))
    while part := list(islice(rest, PEOPLE_PER_CALL)):
        yield part


def _visible(stored: StoredPerson, viewer: int) -> Profile:
    """As much of a profile as a viewer may see."""
    if viewer == stored.user_id:
        return stored.own
    return stored.rooms if viewer in stored.sharing else stored.everyone
