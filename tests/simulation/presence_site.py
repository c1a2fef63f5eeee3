"""One gateway's presence in a simulation, with connections that watch: the real feeds, without sockets and rooms."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import cast

from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import BeatWanted, PersonChanged, PresenceBeat, PresenceChanged, Signal
from chatterbox.wire.people import PresenceState, Privacy, Profile
from services.gateway.core.frame_writer import payload_of
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.presence.watch_feed import WatchFeed, WatchingConnection
from services.gateway.rooms.member import Member
from services.gateway.upstream.history_client import HistoryClient
from services.gateway.upstream.signal_channel import SignalChannel
from tests.simulation.broker import BrokerConnection, SimulatedBroker
from tests.simulation.people import NOW_S
from tests.support.devices import user

BEAT_S, GRACE_S = 10.0, 30.0
METRICS = GatewayMetrics()
"""Shared by all: nothing reads them, and declaring them takes a while."""


class SimulatedPeople:
    """What history knows of the users: names and privacy."""

    def __init__(self, user_ids: Sequence[int]) -> None:
        self.names = {user_id: f"user{user_id}" for user_id in user_ids}
        self.hidden: set[int] = set()
        self.version = 1

    def privacy(self, user_id: int) -> Privacy:
        return Privacy(presence=user_id not in self.hidden)

    async def people(
        self,
        _: Sequence[int],
        *,
        usernames: Sequence[str] = (),
        user_ids: Sequence[int] = (),
        reader: Member | None = None,
    ) -> list[history_api.StoredPerson]:
        await asyncio.sleep(0.01)  # fixed: simulated time
        return [
            history_api.StoredPerson(
                user_id=user_id, username=name, version=self.version, privacy=self.privacy(user_id), seen="",
                own=Profile(), everyone=Profile(), rooms=Profile(), sharing=[],
            )
            for user_id, name in self.names.items()
            if name in usernames or user_id in user_ids
        ]  # fmt: skip

    async def report_seen(self, user_ids: Sequence[int]) -> None: ...


class PresenceSite:
    """A gateway: starts at once, ends when it is killed."""

    def __init__(self, broker: SimulatedBroker, people: SimulatedPeople) -> None:
        self._broker = broker
        self.connection: BrokerConnection = broker.connect()
        loop = asyncio.get_running_loop()
        history = cast("HistoryClient", people)
        self.channel = SignalChannel(self.connection, self._on_signal, self._on_possible_loss, loop.time, METRICS)
        self.presence = PresenceFeed(
            self.channel, history, loop.time, grace_s=GRACE_S, beat_s=BEAT_S, settle_s=BEAT_S, metrics=METRICS
        )
        self.watches = WatchFeed({}, self.presence, history, lambda: NOW_S + loop.time(), METRICS)
        self.is_up = True
        self._tasks = [
            loop.create_task(work)
            for work in (self._run(), self.watches.run(), self.watches.read_profiles())
        ]  # fmt: skip

    async def _run(self) -> None:
        await self.channel.start()
        await self.presence.run()

    def _on_signal(self, signal: Signal) -> None:
        assert isinstance(signal, PresenceChanged | PresenceBeat | BeatWanted)
        self.presence.on_signal(signal)

    def _on_possible_loss(self) -> None:
        self.presence.on_possible_loss()

    def hide(self, change: PersonChanged) -> None:
        """A user changed their privacy."""
        self.presence.hide(change.user_id, hidden=not change.privacy.presence)
        self.watches.on_person(change)

    async def stop(self) -> None:
        """Stop as a deployment does."""
        await self.presence.end()
        self.kill()

    def kill(self) -> None:
        if self.is_up:
            self.is_up = False
            for task in self._tasks:
                task.cancel()
            self.connection.abandon()
            self._broker.connections.remove(self.connection)


class SimulatedWatcher:
    """A client that watches all users, at a gateway of its choice, and remembers what it was told."""

    def __init__(
        self, people: SimulatedPeople, rng: Random, on_told: Callable[[str, PresenceState], None]
    ) -> None:  # fmt: skip
        self.member = user(1000, "watcher")
        self.shown: dict[str, PresenceState] = {}
        self.site: PresenceSite | None = None
        self.is_closed = True
        self.is_full = False
        self._people = people
        self._rng = rng
        self._on_told = on_told

    @property
    def is_open(self) -> bool:
        return not self.is_closed

    def write(self, finished: bytes) -> None:
        frame = codec.decode_server_frame(payload_of(finished))
        if isinstance(frame, frames.PresenceUpdate):
            self._take(frame.people)

    def _take(self, people: Sequence[frames.Presence]) -> None:
        for person in people:
            self.shown[person.username] = person.state
            self._on_told(person.username, person.state)

    async def connect(self, site: PresenceSite) -> None:
        """Watch everyone at a gateway."""
        self.site, self.is_closed, self.is_full = site, False, False
        command = frames.Watch(id=1, usernames=tuple(self._people.names.values()))
        reply = await site.watches.watch(cast("WatchingConnection", self), self.member, command)
        if self.site is site and site.is_up:
            self._take(reply.people)

    def disconnect(self) -> None:
        if self.site is not None and self.site.is_up:
            self.site.watches.forget(cast("WatchingConnection", self))
        self.site, self.is_closed = None, True

    def stall(self) -> None:
        """Read nothing for a while."""
        self.is_full = True

    def read(self) -> None:
        """Go on reading."""
        if self.is_full and self.site is not None and self.site.is_up:
            self.is_full = False
            self.site.watches.send_missed(cast("WatchingConnection", self))
