"""Schedules of presence: users with several devices, gateways that crash and stop, signals that are lost or doubled.

In the end, what every watcher was shown is the truth. And a user with a device that was there for a while is never told
to be offline: disconnects of a few seconds do not count, as in reality.
"""

import asyncio
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

from chatterbox.wire.broker_events import PersonChanged
from chatterbox.wire.people import PresenceState
from services.gateway.rooms.room import RoomConnection
from tests.simulation.broker import SimulatedBroker
from tests.simulation.conditions import Conditions
from tests.simulation.loop import simulated
from tests.simulation.presence_site import PresenceSite, SimulatedPeople, SimulatedWatcher

TALK_S = 150.0
REST_S = 60.0
"""So long after the last fault, what is shown is the truth."""
USERS = range(1, 6)
GATEWAYS = 3
WATCHERS = 4
GAP_S = 8.0
"""A device that is gone for no longer was there all the time."""
KNOWN_S = 21.0
"""So long after a device came, every gateway knows, even if the signal and one beat are lost."""
ONLINE, AWAY, OFFLINE = PresenceState.ONLINE, PresenceState.AWAY, PresenceState.OFFLINE


@dataclass(eq=False, slots=True)
class Device:
    """One device of a user, with a login session of its own."""

    user_id: int
    name: str
    logins: int = 0
    site: PresenceSite | None = None
    connection: RoomConnection | None = None
    is_away: bool = False

    @property
    def sid(self) -> str:
        return f"{self.name} {self.logins}"


@dataclass(slots=True)
class Visits:
    """When a device was there, and its user was not hidden."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    began_s: float | None = None
    may_join: bool = True
    """Whether the next span continues the last one if the gap is small: not after a logout, or after hiding."""

    def begin(self, now_s: float) -> None:
        if self.began_s is None:
            self.began_s = now_s
            if self.spans and self.may_join and now_s - self.spans[-1][1] <= GAP_S:
                self.began_s = self.spans.pop()[0]
            self.may_join = True

    def end(self, now_s: float, *, may_join: bool) -> None:
        if self.began_s is not None:
            self.spans.append((self.began_s, now_s))
            self.began_s = None
        self.may_join = self.may_join and may_join

    def covers(self, from_s: float, until_s: float) -> bool:
        return any(began_s <= from_s and until_s <= ended_s for began_s, ended_s in self.spans)


class PresenceSchedule:
    """One schedule; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"presence {seed}")
        rng = self._rng
        self.conditions = replace(
            Conditions.of(seed, ()), lose=0.0, double=rng.choice((0.0, 0.2)), shuffle=rng.choice((0.0, 0.2)),
            publish_s=rng.choice(((0.001, 0.003), (0.001, 0.5))),
        )  # fmt: skip
        self._people = SimulatedPeople(USERS)
        self._devices = [Device(user_id, f"{user_id}{which}") for user_id in USERS for which in "ab"[: 1 + user_id % 2]]
        self._visits = {device: Visits() for device in self._devices}
        self._told_offline: list[tuple[float, int]] = []
        self._sites: list[PresenceSite] = []
        self._is_over = False

    @classmethod
    def judge(cls, seed: int) -> str | None:
        """Run the schedule of `seed`; returns what is wrong, None if nothing is."""
        return simulated(cls(seed).run())

    async def run(self) -> str | None:
        loop = asyncio.get_running_loop()
        self._broker = SimulatedBroker(self.conditions, Random(self._rng.random()))
        self._sites = [PresenceSite(self._broker, self._people) for _ in range(GATEWAYS)]
        self._watchers = [SimulatedWatcher(self._people, self._rng, self._on_told) for _ in range(WATCHERS)]
        tasks = [loop.create_task(work) for work in (self._strike(), *(self._live(each) for each in self._devices))]
        watching = [loop.create_task(self._watch(each)) for each in self._watchers]
        await asyncio.sleep(TALK_S)  # fixed: simulated time
        self._is_over = True
        for task in tasks:
            task.cancel()
        self._broker.is_calm = True
        await asyncio.sleep(REST_S)  # fixed: simulated time
        problem = self._problem()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in (*watching, *left):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return problem

    # The judge

    def _on_told(self, username: str, state: PresenceState) -> None:
        if state is OFFLINE:
            self._told_offline.append((asyncio.get_running_loop().time(), int(username.removeprefix("user"))))

    def _problem(self) -> str | None:
        now_s = asyncio.get_running_loop().time()
        for visits in self._visits.values():
            visits.end(now_s, may_join=True)
        for at_s, user_id in self._told_offline:
            for device in self._devices:
                if device.user_id == user_id and self._visits[device].covers(at_s - KNOWN_S, at_s):
                    return f"user {user_id} was told offline at {at_s:.3f}; {device.name}: {self._visits[device].spans}"
        for number, watcher in enumerate(self._watchers):
            for user_id, name in self._people.names.items():
                if watcher.shown.get(name) is not (truth := self._truth(user_id)):
                    return f"watcher {number} is shown user {user_id} {watcher.shown.get(name)}, who is {truth}"
        return None

    def _truth(self, user_id: int) -> PresenceState:
        here = [each for each in self._devices if each.user_id == user_id and each.site is not None]
        if not here or user_id in self._people.hidden:
            return OFFLINE
        return AWAY if all(device.is_away for device in here) else ONLINE

    def _note(self, device: Device, *, may_join: bool = True) -> None:
        now_s = asyncio.get_running_loop().time()
        if device.site is None or device.user_id in self._people.hidden:
            self._visits[device].end(now_s, may_join=may_join)
        else:
            self._visits[device].begin(now_s)

    # Users

    async def _live(self, device: Device) -> None:
        rng = Random(f"{self._rng.random()} {device.name}")
        while True:
            await asyncio.sleep(rng.expovariate(0.15))  # fixed: simulated time
            roll = rng.random()
            if device.site is None:
                if roll < 0.6:
                    self._come(device, rng)
            elif roll < 0.4:
                self._break(device, rng)
                await asyncio.sleep(rng.choice((0.1, 2.0, GAP_S - 0.5, 45.0)))  # fixed: simulated time
                self._come(device, rng)
            elif roll < 0.5:
                self._log_out(device)
            elif roll < 0.55:
                self._toggle_privacy(device.user_id)
            else:
                device.is_away = not device.is_away
                assert device.connection is not None
                device.site.presence.set_away(device.user_id, device.connection, away=device.is_away)

    def _come(self, device: Device, rng: Random) -> None:
        sites = [site for site in self._sites if site.is_up]
        if device.site is not None or not sites:
            return
        device.site, device.is_away = rng.choice(sites), False
        device.connection = cast("RoomConnection", object())
        hidden = device.user_id in self._people.hidden
        device.site.presence.open(device.user_id, device.sid, device.connection, hidden=hidden)
        self._note(device)

    def _break(self, device: Device, rng: Random) -> None:
        """A connection breaks; its gateway notices now or later."""
        site, connection, sid = device.site, device.connection, device.sid
        assert site is not None
        assert connection is not None
        device.site = None
        delay_s = rng.choice((0.0, 3.0))

        def closed() -> None:
            if site.is_up:
                site.presence.close(device.user_id, sid, connection)

        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, closed)
        else:
            closed()
        self._note(device)

    def _log_out(self, device: Device) -> None:
        assert device.site is not None
        assert device.connection is not None
        device.site.presence.close(device.user_id, device.sid, device.connection)
        for site in self._sites:
            if site.is_up:
                site.presence.end_sessions([device.sid])
        device.site = None
        device.logins += 1
        self._note(device, may_join=False)

    def _toggle_privacy(self, user_id: int) -> None:
        self._people.hidden ^= {user_id}
        self._people.version += 1
        change = PersonChanged(
            revision=1, user_id=user_id, username=self._people.names[user_id], privacy=self._people.privacy(user_id),
            version=self._people.version,
        )  # fmt: skip
        for site in self._sites:
            if site.is_up:
                site.hide(change)
        for device in self._devices:
            if device.user_id == user_id:
                self._note(device, may_join=False)

    # Watchers

    async def _watch(self, watcher: SimulatedWatcher) -> None:
        rng = Random(f"{self._rng.random()} watcher")
        while True:
            sites = [site for site in self._sites if site.is_up]
            if (watcher.site is None or not watcher.site.is_up) and sites:
                await watcher.connect(rng.choice(sites))
            elif not self._is_over and rng.random() < 0.05:
                watcher.disconnect()
            elif not self._is_over and rng.random() < 0.1:
                watcher.stall()
            else:
                watcher.read()
            await asyncio.sleep(rng.uniform(0.1, 2))  # fixed: simulated time

    # Faults

    async def _strike(self) -> None:
        """One fault at a time, each short enough that a gateway misses at most one beat, unless all are cut off."""
        rng = Random(f"{self._rng.random()} faults")
        while True:
            await asyncio.sleep(rng.uniform(12, 20))  # fixed: simulated time
            fault = rng.choice(
                (self._kill, self._stop, self._cut, self._cut_all, self._lose, self._deafen, self._cut_off_newcomer)
            )
            await fault(rng)

    async def _kill(self, rng: Random) -> None:
        site = self._take_down(rng)
        site.kill()
        self._lose_devices(site, rng)
        await self._restart(rng)

    async def _stop(self, rng: Random) -> None:
        site = self._take_down(rng)
        self._lose_devices(site, rng)
        await site.stop()
        await self._restart(rng)

    def _take_down(self, rng: Random) -> PresenceSite:
        site = rng.choice(self._sites)
        self._sites.remove(site)
        return site

    async def _restart(self, rng: Random) -> None:
        await asyncio.sleep(rng.uniform(0.05, 3))  # fixed: simulated time
        self._sites.append(PresenceSite(self._broker, self._people))

    def _lose_devices(self, site: PresenceSite, rng: Random) -> None:
        """Its devices are cut off; most are back within seconds, at another gateway."""
        for device in self._devices:
            if device.site is site:
                device.site = None
                self._note(device)
                if rng.random() < 0.8:
                    asyncio.get_running_loop().call_later(rng.uniform(0.1, GAP_S - 0.5), self._come, device, rng)

    async def _cut(self, rng: Random) -> None:
        await self._hold_down([rng.choice(self._sites)], rng.uniform(0.1, 8))

    async def _cut_all(self, rng: Random) -> None:
        """Nobody hears anybody, for long: what is not known must not be told."""
        await self._hold_down(self._sites, rng.uniform(1, 60))

    @staticmethod
    async def _hold_down(sites: list[PresenceSite], seconds: float) -> None:
        connections = [site.connection for site in sites]
        for connection in connections:
            connection.is_held_down = True
            connection.cut()
        try:
            await asyncio.sleep(seconds)  # fixed: simulated time
        finally:
            for connection in connections:
                connection.is_held_down = False
                connection.reopen()

    async def _cut_off_newcomer(self, rng: Random) -> None:
        """A gateway starts and hears itself; then it hears nothing until it might think that it has heard everyone."""
        await self._kill(rng)
        await asyncio.sleep(rng.uniform(0.05, 0.6))  # fixed: simulated time
        await self._hold_down(self._sites[-1:], rng.uniform(11, 12))

    async def _lose(self, rng: Random) -> None:
        """The broker loses half of everything."""
        self._broker.conditions = replace(self.conditions, lose=0.5)
        try:
            await asyncio.sleep(rng.uniform(0.1, 8))  # fixed: simulated time
        finally:
            self._broker.conditions = self.conditions

    async def _deafen(self, rng: Random) -> None:
        """The subscriptions of a gateway are dropped; its watchdog, which is not here, subscribes again."""
        connection = rng.choice(self._sites).connection
        connection.is_deaf = True
        try:
            await asyncio.sleep(rng.uniform(3, 8))  # fixed: simulated time
        finally:
            connection.reconnect()
