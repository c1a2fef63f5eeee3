"""Watchers are told what changes, at most once a second, and only what they may see."""

from collections.abc import Callable, Sequence
from typing import cast

import msgspec
import pytest

from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import PersonChanged
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.people import Presence, PresenceState, Privacy, Profile
from services.gateway.core.frame_writer import payload_of
from services.gateway.presence import watch_feed
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.presence.watch_feed import WatchFeed
from services.gateway.rooms.member import Member
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.loop import simulated
from tests.support.devices import Device, user
from tests.support.waiting import until

ADA, BOB, EVE = 1, 2, 3
NAMES = {ADA: "ada", BOB: "bob", EVE: "eve"}
ONLINE, AWAY, OFFLINE, UNKNOWN = PresenceState
NOON_MS = 1_790_000_000_123
NOON = "2026-09-21T14:10:00.000Z"
HIDDEN = Privacy(presence=False)


class FakePresence:
    """States that the test sets."""

    def __init__(self) -> None:
        self.states: dict[int, PresenceState] = {}
        self.changed: set[int] | None = set()

    def state(self, user_id: int) -> PresenceState:
        return self.states.get(user_id, OFFLINE)

    def take_changed(self) -> set[int] | None:
        changed, self.changed = self.changed, set()
        return changed

    def set(self, user_id: int, state: PresenceState) -> None:
        self.states[user_id] = state
        if self.changed is not None:
            self.changed.add(user_id)


class FakeHistory:
    """People whose profile is their version; `during` is called while it is asked."""

    def __init__(self) -> None:
        self.people_of = {
            user_id: history_api.StoredPerson(
                user_id=user_id, username=name, version=1, privacy=Privacy(), seen="", own=Profile(bio="own 1"),
                everyone=Profile(), rooms=Profile(bio="rooms 1"), sharing=[],
            )
            for user_id, name in NAMES.items()
        }  # fmt: skip
        self.calls: list[tuple[tuple[int, ...], int]] = []
        self.refusals = 0
        self.during: Callable[[], None] = lambda: None

    def change(self, user_id: int, **fields: object) -> PersonChanged:
        """Change a person; returns the event about it."""
        before = self.people_of[user_id]
        version = before.version + 1
        now = self.people_of[user_id] = msgspec.structs.replace(
            before, version=version, own=Profile(bio=f"own {version}"), rooms=Profile(bio=f"rooms {version}"), **fields
        )
        return PersonChanged(
            revision=1, user_id=user_id, username=NAMES[user_id], privacy=now.privacy, version=version
        )  # fmt: skip

    async def people(
        self,
        viewers: Sequence[int],
        *,
        usernames: Sequence[str] = (),
        user_ids: Sequence[int] = (),
        reader: Member | None = None,
    ) -> list[history_api.StoredPerson]:
        self.calls.append((tuple(viewers), len(usernames) + len(user_ids)))
        if self.refusals:
            self.refusals -= 1
            raise ChatError(Code.UNAVAILABLE)
        found = [each for each in self.people_of.values() if each.username in usernames or each.user_id in user_ids]
        self.during()
        return found


class Harness:
    def __init__(self) -> None:
        self.presence = FakePresence()
        self.history = FakeHistory()
        self.members = {user_id: user(user_id, name) for user_id, name in NAMES.items() if user_id != EVE}
        self.now_ms = NOON_MS
        self.feed = WatchFeed(
            self.members,
            cast("PresenceFeed", self.presence),
            cast("HistoryClient", self.history),
            lambda: self.now_ms / 1000,
        )
        self.ada = Device(self.members[ADA])

    async def watch(self, device: Device, *names: str) -> list[frames.WatchedPerson]:
        command = frames.Watch(id=7, usernames=names)
        reply = await self.feed.watch(device.connection, device.member, command)
        assert reply.id == 7
        return reply.people

    async def tick(self) -> None:
        await self.feed.tick()


@pytest.fixture
def harness() -> Harness:
    return Harness()


def presence(name: str, state: PresenceState, seen: str = "") -> frames.PresenceUpdate:
    return frames.PresenceUpdate(people=[Presence(username=name, state=state, seen=seen)])


class TestWatch:
    async def test_the_reply_has_everybody_who_exists_with_state_and_profile(self, harness: Harness) -> None:
        harness.presence.states[BOB] = AWAY
        harness.history.change(EVE, sharing=[ADA], seen=NOON)
        assert await harness.watch(harness.ada, "ada", "bob", "eve", "nobody") == [
            frames.WatchedPerson(username="ada", state=OFFLINE, profile=Profile(bio="own 1"), version=1),
            frames.WatchedPerson(username="bob", state=AWAY, version=1),
            frames.WatchedPerson(username="eve", state=OFFLINE, seen=NOON, profile=Profile(bio="rooms 2"), version=2),
        ]

    async def test_a_hidden_user_looks_offline_and_was_never_seen(self, harness: Harness) -> None:
        harness.presence.states[BOB] = ONLINE
        harness.history.change(BOB, privacy=HIDDEN, seen="")
        assert [(each.state, each.seen) for each in await harness.watch(harness.ada, "bob")] == [(OFFLINE, "")]

    async def test_watching_nobody_asks_nobody_and_ends_it(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob")
        assert await harness.watch(harness.ada) == []
        harness.presence.set(BOB, ONLINE)
        await harness.tick()
        assert harness.ada.take() == []
        assert len(harness.history.calls) == 1
        assert harness.feed._people == {}

    async def test_what_changes_while_history_is_asked_is_not_overwritten(self, harness: Harness) -> None:
        harness.presence.states[BOB] = ONLINE
        harness.history.during = lambda: harness.feed.on_person(harness.history.change(BOB, privacy=HIDDEN))
        assert [each.state for each in await harness.watch(harness.ada, "bob")] == [OFFLINE]

    async def test_nothing_is_kept_for_a_connection_that_closed_meanwhile(self, harness: Harness) -> None:
        harness.history.during = harness.ada.connection.on_lost
        await harness.watch(harness.ada, "bob")
        assert harness.feed._people == {}
        assert harness.feed._registry.connections == 0


class TestPresence:
    async def test_a_change_is_told_at_the_next_tick_once(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob", "eve")
        harness.presence.set(BOB, ONLINE)
        await harness.tick()
        await harness.tick()
        assert harness.ada.take() == [presence("bob", ONLINE)]

    async def test_changes_of_several_users_are_one_frame(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob", "eve")
        harness.presence.set(BOB, ONLINE)
        harness.presence.set(EVE, AWAY)
        await harness.tick()
        [frame] = harness.ada.take()
        assert isinstance(frame, frames.PresenceUpdate)
        assert {each.username: each.state for each in frame.people} == {"bob": ONLINE, "eve": AWAY}

    async def test_a_frame_is_encoded_as_the_codec_does(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob")
        harness.presence.set(BOB, ONLINE)
        await harness.tick()
        assert payload_of(harness.ada.socket.written[0]) == codec.encode(presence("bob", ONLINE))

    async def test_who_goes_offline_was_seen_just_now_rounded_down(self, harness: Harness) -> None:
        harness.presence.states[BOB] = ONLINE
        await harness.watch(harness.ada, "bob")
        harness.presence.set(BOB, OFFLINE)
        await harness.tick()
        assert harness.ada.take() == [presence("bob", OFFLINE, NOON)]
        harness.now_ms += 2 * 3_600_000
        assert [each.seen for each in await harness.watch(harness.ada, "bob")] == ["2026-09-21T14:00:00.000Z"]

    async def test_unknown_users_are_told_when_more_is_known(self, harness: Harness) -> None:
        harness.presence.states = {BOB: UNKNOWN, EVE: ONLINE}
        await harness.watch(harness.ada, "bob", "eve")
        harness.presence.states[BOB] = OFFLINE
        harness.presence.changed = None
        await harness.tick()
        assert harness.ada.take() == [presence("bob", OFFLINE)]

    async def test_a_full_connection_is_told_the_last_state_later_and_nothing_else(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob", "eve")
        harness.ada.fill()
        for state in (ONLINE, AWAY, ONLINE) * 50:
            harness.presence.set(BOB, state)
            await harness.tick()
        assert harness.ada.take() == []
        harness.ada.drain()
        harness.feed.send_missed(harness.ada.connection)
        harness.feed.send_missed(harness.ada.connection)
        assert harness.ada.take() == [presence("bob", ONLINE)]

    async def test_a_closed_connection_is_forgotten(self, harness: Harness) -> None:
        await harness.watch(harness.ada, "bob")
        harness.feed.forget(harness.ada.connection)
        harness.presence.set(BOB, ONLINE)
        await harness.tick()
        assert harness.ada.take() == []
        assert harness.feed._people == {}

    async def test_a_crowd_of_watchers_is_told_the_same_bytes(self, harness: Harness) -> None:
        crowd = [Device(harness.members[ADA]) for _ in range(3 * watch_feed.CONNECTIONS_PER_TURN)]
        for device in crowd:
            await harness.watch(device, "bob")
        harness.presence.set(BOB, ONLINE)
        await harness.tick()
        assert len({id(written) for device in crowd for written in device.socket.written}) == 1

    async def test_hiding_is_told_at_the_next_tick(self, harness: Harness) -> None:
        harness.presence.states[BOB] = ONLINE
        await harness.watch(harness.ada, "bob")
        harness.feed.on_person(harness.history.change(BOB, privacy=HIDDEN))
        await harness.tick()
        assert harness.ada.take() == [presence("bob", OFFLINE)]
        harness.feed.on_person(harness.history.change(BOB, privacy=Privacy()))
        await harness.tick()
        assert harness.ada.take() == [presence("bob", ONLINE)]


async def profiles(harness: Harness) -> None:
    """Read profiles until nothing is left to read."""
    while harness.feed._unread:
        targets, harness.feed._unread = harness.feed._unread, {}
        if not await harness.feed._tell_profiles(targets):
            harness.feed._unread = targets | harness.feed._unread


class TestProfiles:
    async def test_a_changed_profile_is_told_to_watchers_as_they_may_see_it(self, harness: Harness) -> None:
        bob = Device(harness.members[BOB])
        await harness.watch(harness.ada, "eve")
        await harness.watch(bob, "eve")
        harness.feed.on_person(harness.history.change(EVE, sharing=[ADA]))
        await profiles(harness)
        assert harness.ada.take() == [
            frames.ProfileUpdate(username="eve", profile=Profile(bio="rooms 2"), version=2)
        ]  # fmt: skip
        assert bob.take() == [frames.ProfileUpdate(username="eve", version=2)]

    async def test_ones_own_connections_are_told_the_whole_profile(self, harness: Harness) -> None:
        harness.feed.on_person(harness.history.change(ADA))
        await profiles(harness)
        assert harness.ada.take() == [frames.ProfileUpdate(username="ada", profile=Profile(bio="own 2"), version=2)]

    async def test_a_change_of_a_user_whom_nobody_here_watches_asks_nobody(self, harness: Harness) -> None:
        harness.feed.on_person(harness.history.change(EVE))
        await profiles(harness)
        assert harness.history.calls == []

    async def test_a_full_connection_is_told_the_profile_later(self, harness: Harness) -> None:
        bob = Device(harness.members[BOB])
        await harness.watch(harness.ada, "eve")
        await harness.watch(bob, "eve")
        harness.ada.fill()
        for _ in range(3):
            harness.feed.on_person(harness.history.change(EVE))
            await profiles(harness)
        assert len(bob.take()) == 3
        harness.ada.drain()
        harness.feed.send_missed(harness.ada.connection)
        await profiles(harness)
        assert harness.ada.take() == [frames.ProfileUpdate(username="eve", version=4)]
        assert bob.take() == []

    async def test_viewers_are_asked_for_in_parts(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch_feed, "PEOPLE_PER_CALL", 1)
        bob = Device(harness.members[BOB])
        await harness.watch(harness.ada, "eve")
        await harness.watch(bob, "eve")
        harness.feed.on_person(harness.history.change(EVE))
        await profiles(harness)
        assert (len(harness.ada.take()), len(bob.take())) == (1, 1)

    async def test_lost_events_are_found_by_comparing_with_history(self, harness: Harness) -> None:
        harness.presence.states[BOB] = ONLINE
        await harness.watch(harness.ada, "bob", "eve")
        harness.history.change(BOB, privacy=HIDDEN)
        harness.feed.recheck()
        await harness.feed._tasks.join()
        await harness.tick()
        await profiles(harness)
        assert harness.ada.take() == [presence("bob", OFFLINE), frames.ProfileUpdate(username="bob", version=2)]

    def test_profiles_are_told_after_history_was_unavailable(self) -> None:
        async def run() -> list[frames.ServerFrame]:
            harness = Harness()
            await harness.watch(harness.ada, "eve")
            harness.history.refusals = 2
            reading = harness.feed._tasks.spawn(harness.feed.read_profiles())
            harness.feed.on_person(harness.history.change(EVE))
            await until(lambda: bool(harness.ada.socket.written), 10)
            reading.cancel()
            return harness.ada.take()

        assert len(simulated(run())) == 1
