"""Gateways agree on who is here: changes within a second, after losses, after the end of one of them."""

from typing import cast

import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from chatterbox.wire.broker_events import SIGNALS, BeatWanted, PresenceBeat, PresenceChanged, Signal, decode_signal
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.people import PresenceState
from services.gateway.core.signal_budget import LEAST_BYTES_PER_S
from services.gateway.presence import presence_feed
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.rooms.room import RoomConnection
from services.gateway.upstream.history_client import HistoryClient
from services.gateway.upstream.signal_channel import SignalChannel

ADA, BOB = 1, 2
BEAT_S, GRACE_S = 10.0, 30.0
ONLINE, AWAY, OFFLINE, UNKNOWN = PresenceState


def device(name: str) -> RoomConnection:
    return cast("RoomConnection", name)


def session(name: str) -> str:
    """The login session of a device: its name without the number of its connection."""
    return name.rstrip("0123456789") or name


class Clock:
    """Time that the test moves (seconds)."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class LossyBroker(MemoryBroker):
    """Records everything; loses what is published while `is_lossy`, refuses while `is_down`."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[Signal] = []
        self.is_lossy = False
        self.is_down = False

    async def publish(self, items: object) -> None:
        if self.is_down:
            raise BrokerError("down")
        for _, payload in cast("list[tuple[str, bytes]]", items):
            self.signals.append(decode_signal(payload))
            if not self.is_lossy:
                await super().publish([(SIGNALS, payload)])


class FakeHistory:
    """Records whom it is told to have been seen."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.is_down = False

    async def report_seen(self, user_ids: list[int]) -> None:
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        self.seen.append(list(user_ids))


class Site:
    """One gateway's presence."""

    def __init__(self, broker: LossyBroker, clock: Clock, settle_s: float = 0) -> None:
        self.history = FakeHistory()
        self.channel = SignalChannel(broker, self._take, self._on_loss, clock)
        self.feed = PresenceFeed(
            self.channel,
            cast("HistoryClient", self.history),
            clock,
            grace_s=GRACE_S,
            beat_s=BEAT_S,
            settle_s=settle_s,
        )

    def _take(self, signal: Signal) -> None:
        assert isinstance(signal, PresenceChanged | PresenceBeat | BeatWanted)
        self.feed.on_signal(signal)

    def _on_loss(self) -> None:
        self.feed.on_possible_loss()

    def open(self, user_id: int, name: str) -> None:
        self.feed.open(user_id, session(name), device(name), hidden=False)

    def close(self, user_id: int, name: str) -> None:
        self.feed.close(user_id, session(name), device(name))


class World:
    """Two gateways on one broker."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.broker = LossyBroker()
        self.one, self.two = Site(self.broker, self.clock), Site(self.broker, self.clock)
        self.running = [self.one, self.two]

    async def start(self) -> "World":
        for site in self.running:
            await site.channel.start()
        await self.wait(1)
        return self

    async def wait(self, seconds: float) -> None:
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            self.clock.now_s += presence_feed.TICK_S
            for site in self.running:
                await site.feed.tick()

    @property
    def states(self) -> list[PresenceState]:
        """Ada's state, as each running gateway has it."""
        return [site.feed.state(ADA) for site in self.running]

    def kill(self, site: Site) -> None:
        self.running.remove(site)

    def sent(self, kind: type[Signal]) -> list[Signal]:
        return [signal for signal in self.broker.signals if isinstance(signal, kind)]


@pytest.fixture
async def world() -> World:
    return await World().start()


class TestTwoGateways:
    async def test_a_user_is_online_everywhere_within_a_second(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        assert world.states == [ONLINE, ONLINE]

    async def test_away_and_back_are_known_everywhere(self, world: World) -> None:
        world.one.open(ADA, "a")
        for away, state in ((True, AWAY), (False, ONLINE)):
            world.one.feed.set_away(ADA, device("a"), away=away)
            await world.wait(1)
            assert world.states == [state, state]

    async def test_a_user_who_closes_is_offline_after_the_grace_and_not_before(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.one.close(ADA, "a")
        await world.wait(GRACE_S - 0.5)
        assert world.states == [ONLINE, ONLINE]
        await world.wait(2)
        assert world.states == [OFFLINE, OFFLINE]

    async def test_a_logout_is_known_at_once(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.one.close(ADA, "a")
        for site in (world.one, world.two):
            site.feed.end_sessions(["a"])
        await world.wait(1)
        assert world.states == [OFFLINE, OFFLINE]

    async def test_a_logout_ends_the_grace_at_a_gateway_that_the_session_left_before(self, world: World) -> None:
        world.one.open(ADA, "a1")
        world.one.close(ADA, "a1")
        world.two.open(ADA, "a2")
        await world.wait(1)
        world.two.close(ADA, "a2")
        for site in (world.one, world.two):
            site.feed.end_sessions(["a"])
        await world.wait(1)
        assert world.states == [OFFLINE, OFFLINE]

    async def test_moving_to_another_gateway_changes_nothing(self, world: World) -> None:
        world.one.open(ADA, "a1")
        await world.wait(1)
        world.two.feed.take_changed()
        world.one.close(ADA, "a1")
        world.two.open(ADA, "a2")
        for _ in range(60):
            await world.wait(1)
            assert world.states == [ONLINE, ONLINE]

    async def test_nobody_is_told_of_a_hidden_user(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.one.feed.hide(ADA, hidden=True)
        await world.wait(1)
        assert world.states == [OFFLINE, OFFLINE]
        world.one.feed.hide(ADA, hidden=False)
        await world.wait(1)
        assert world.states == [ONLINE, ONLINE]


class TestReconnectStorm:
    async def test_who_is_away_and_comes_back_away_is_not_online_in_between(self, world: World) -> None:
        world.one.open(ADA, "a1")
        world.one.feed.set_away(ADA, device("a1"), away=True)
        await world.wait(1)
        for site, name in ((world.one, "a2"), (world.two, "a3")):
            site.open(ADA, name)
            await world.wait(0.25)
            assert world.states == [AWAY, AWAY]
            site.feed.set_away(ADA, device(name), away=True)
            await world.wait(5)
            assert world.states == [AWAY, AWAY]

    async def test_who_is_away_and_comes_back_in_use_is_online_soon(self, world: World) -> None:
        world.one.open(ADA, "a1")
        world.one.feed.set_away(ADA, device("a1"), away=True)
        await world.wait(1)
        world.two.open(ADA, "b1")
        await world.wait(1.5)
        assert world.states == [ONLINE, ONLINE]

    async def test_who_is_back_within_the_grace_costs_no_signal(self, world: World) -> None:
        for user_id in range(1, 501):
            world.one.open(user_id, f"{user_id}")
        await world.wait(2)
        before = len(world.sent(PresenceChanged))
        for user_id in range(1, 501):
            world.one.close(user_id, f"{user_id}")
        await world.wait(GRACE_S - 1)
        for user_id in range(1, 501):
            world.one.open(user_id, f"{user_id}")
        await world.wait(2 * GRACE_S)
        assert len(world.sent(PresenceChanged)) == before

    async def test_changes_are_gathered_to_two_signals_a_second(self, world: World) -> None:
        before = len(world.sent(PresenceChanged))
        for number in range(40):
            world.one.open(number, f"{number}")
            await world.wait(0.25)
        assert 10 <= len(world.sent(PresenceChanged)) - before <= 20


class TestLosses:
    async def test_a_lost_change_is_made_up_for_when_the_next_one_arrives(self, world: World) -> None:
        world.broker.is_lossy = True
        world.one.open(ADA, "a")
        await world.wait(1)
        assert world.states == [ONLINE, OFFLINE]
        world.broker.is_lossy = False
        world.one.open(BOB, "b")
        await world.wait(3)
        assert world.states == [ONLINE, ONLINE]
        assert world.sent(BeatWanted)

    async def test_a_lost_last_change_is_made_up_for_by_the_next_beat(self, world: World) -> None:
        world.broker.is_lossy = True
        world.one.open(ADA, "a")
        await world.wait(1)
        world.broker.is_lossy = False
        await world.wait(BEAT_S)
        assert world.states == [ONLINE, ONLINE]

    async def test_after_a_possible_loss_a_beat_is_asked_for(self, world: World) -> None:
        await world.wait(2)
        world.broker.is_lossy = True
        world.one.open(ADA, "a")
        await world.wait(1)
        world.broker.is_lossy = False
        world.two.feed.on_possible_loss()
        await world.wait(1.5)
        assert world.states == [ONLINE, ONLINE]

    async def test_what_the_broker_refused_is_told_in_a_beat_once_it_is_back(self, world: World) -> None:
        world.broker.is_down = True
        world.one.open(ADA, "a")
        await world.wait(2)
        world.broker.is_down = False
        await world.wait(1.5)
        assert world.states == [ONLINE, ONLINE]

    async def test_while_the_broker_is_silent_nobody_is_told_offline(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.broker.is_lossy = True
        seen = []
        for _ in range(240):
            await world.wait(0.25)
            seen.append(world.two.feed.state(ADA))
        assert OFFLINE not in seen
        assert seen[-1] is UNKNOWN
        assert world.one.feed.state(ADA) is ONLINE
        world.broker.is_lossy = False
        await world.wait(BEAT_S + 1)
        assert world.states == [ONLINE, ONLINE]

    async def test_beats_that_many_ask_for_are_at_most_one_a_second(self, world: World) -> None:
        before = len(world.sent(PresenceBeat))
        for _ in range(20):
            world.one.feed.on_signal(BeatWanted(gateway="another"))
            await world.wait(0.25)
        assert len(world.sent(PresenceBeat)) - before <= 7  # five, and one of each gateway's own


class TestEnd:
    async def test_who_was_at_a_killed_gateway_is_offline_after_three_beats(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.kill(world.one)
        await world.wait(2 * BEAT_S)
        assert world.states == [ONLINE]
        await world.wait(BEAT_S + 1)
        assert world.states == [OFFLINE]

    async def test_who_has_another_device_stays_online_when_a_gateway_is_killed(self, world: World) -> None:
        world.one.open(ADA, "a")
        world.two.open(ADA, "b")
        await world.wait(1)
        world.kill(world.one)
        for _ in range(60):
            await world.wait(1)
            assert world.states == [ONLINE]

    async def test_the_users_of_a_gateway_that_stops_count_for_the_grace(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.one.close(ADA, "a")
        await world.one.feed.end()
        world.kill(world.one)
        await world.wait(GRACE_S - 1)
        assert world.states == [ONLINE]
        await world.wait(2)
        assert world.states == [OFFLINE]

    async def test_a_gateway_that_has_said_goodbye_says_no_more(self, world: World) -> None:
        await world.one.feed.end()
        count = len(world.broker.signals)
        await world.one.feed.end()
        world.running.remove(world.two)
        await world.wait(60)
        assert len(world.broker.signals) == count


class TestStart:
    async def test_who_is_not_here_is_unknown_until_others_have_been_heard(self) -> None:
        world = World()
        world.two = Site(world.broker, world.clock, settle_s=BEAT_S)
        world.running = [world.one, world.two]
        world.one.open(ADA, "a")
        await world.start()
        assert world.states == [ONLINE, ONLINE]
        assert world.two.feed.state(BOB) is UNKNOWN
        world.two.feed.take_changed()
        await world.wait(BEAT_S)
        assert world.two.feed.state(BOB) is OFFLINE
        assert world.two.feed.take_changed() is None, "everybody must be looked at again"


class TestBudget:
    async def test_changes_wait_longer_when_the_cap_is_reached_and_the_last_state_is_told(self, world: World) -> None:
        world.one.channel.budget.spend(6 * LEAST_BYTES_PER_S, world.clock.now_s)
        before = len(world.sent(PresenceChanged))
        for away in (True, False, True) * 3:
            world.one.open(ADA, "a")
            world.one.feed.set_away(ADA, device("a"), away=away)
            await world.wait(0.25)
        assert len(world.sent(PresenceChanged)) <= before + 1
        await world.wait(BEAT_S)
        assert world.states == [AWAY, AWAY]


class TestLastSeen:
    async def test_history_is_told_every_five_minutes_who_is_here_or_was(self, world: World) -> None:
        world.one.open(ADA, "a")
        world.one.open(BOB, "b")
        world.one.close(BOB, "b")
        await world.wait(presence_feed.SEEN_S)
        assert world.one.history.seen == [[ADA, BOB]]
        await world.wait(presence_feed.SEEN_S)
        assert world.one.history.seen == [[ADA, BOB], [ADA]]

    async def test_a_hidden_user_is_not_reported(self, world: World) -> None:
        world.one.open(ADA, "a")
        await world.wait(1)
        world.one.feed.hide(ADA, hidden=True)
        await world.wait(presence_feed.SEEN_S)
        assert world.one.history.seen in ([], [[]])

    async def test_a_large_gateway_reports_in_parts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(presence_feed, "USERS_PER_REPORT", 2)
        for user_id in range(1, 6):
            world.one.open(user_id, f"{user_id}")
        await world.wait(presence_feed.SEEN_S)
        assert world.one.history.seen == [[1, 2], [3, 4], [5]]

    async def test_presence_goes_on_while_history_is_unavailable(self, world: World) -> None:
        world.one.history.is_down = True
        world.one.open(ADA, "a")
        await world.wait(presence_feed.SEEN_S + 2)
        assert world.states == [ONLINE, ONLINE]
