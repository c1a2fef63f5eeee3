"""Every watcher ends with the last state, told once, whenever they began to watch and however slowly they read."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatterbox.wire.people import PresenceState
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.core.watch_registry import WatchRegistry

ONLINE, AWAY, OFFLINE = PresenceState.ONLINE, PresenceState.AWAY, PresenceState.OFFLINE
ADA, BOB = 1, 2


def test_a_change_is_told_to_every_watcher_once() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE, BOB: OFFLINE})
    found.watch("two", {ADA: OFFLINE})
    found.note([ADA, 99])
    assert found.take(lambda _: ONLINE) == {"one": [ADA], "two": [ADA]}
    found.note([ADA])
    assert found.take(lambda _: ONLINE) == {}


def test_what_changed_back_before_the_tick_is_not_told() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE})
    found.note([ADA])
    assert found.take(lambda _: OFFLINE) == {}


def test_who_began_to_watch_during_a_change_that_was_taken_back_is_told() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE})
    found.note([ADA])
    found.watch("two", {ADA: ONLINE})
    found.note([ADA])
    assert "two" in found.take(lambda _: OFFLINE)


def test_watching_others_replaces_whom_one_watched() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE})
    assert found.watch("one", {BOB: OFFLINE}) == {ADA}
    assert ADA not in found
    assert BOB in found
    assert found.watch("one", {}) == {BOB}
    assert found.connections == 0


def test_nothing_is_kept_of_a_closed_connection() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE})
    found.miss("one", [ADA])
    assert found.forget("one") == {ADA}
    found.miss("one", [ADA])
    assert not any((found._watched, found._watchers, found._told, found._dirty, found._missed))
    assert found.forget("one") == set()


def test_missed_states_are_only_those_of_users_who_are_still_watched() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: OFFLINE, BOB: OFFLINE})
    found.miss("one", [ADA, BOB])
    assert found.take_missed("one") == [ADA, BOB]
    found.miss("one", [ADA])
    found.watch("one", {BOB: OFFLINE})
    assert found.take_missed("one") == []


def test_everybody_can_be_looked_at_again() -> None:
    found: WatchRegistry[str] = WatchRegistry()
    found.watch("one", {ADA: PresenceState.UNKNOWN, BOB: ONLINE})
    assert not found.was_here(ADA)
    assert found.was_here(BOB)
    found.note_all()
    assert found.take(lambda user_id: OFFLINE if user_id == ADA else ONLINE) == {"one": [ADA]}


class WatchMachine(RuleBasedStateMachine):
    """Connections watch, read slowly and close, while states change; each holds what it was told last."""

    def __init__(self) -> None:
        super().__init__()
        self.registry: WatchRegistry[str] = WatchRegistry()
        self.now = dict.fromkeys(range(1, 4), OFFLINE)
        self.held: dict[str, dict[int, PresenceState]] = {}
        self.full: set[str] = set()
        self.is_settled = True

    @rule(name=st.sampled_from("xyz"), user_ids=st.frozensets(st.integers(1, 3)))
    def watch(self, name: str, user_ids: frozenset[int]) -> None:
        self.held[name] = {user_id: self.now[user_id] for user_id in user_ids}
        self.registry.watch(name, self.held[name])

    @rule(user_id=st.integers(1, 3), state=st.sampled_from([ONLINE, AWAY, OFFLINE]))
    def change(self, user_id: int, state: PresenceState) -> None:
        self.now[user_id] = state
        self.registry.note([user_id])
        self.is_settled = False

    @rule(name=st.sampled_from("xyz"))
    def close(self, name: str) -> None:
        self.registry.forget(name)
        self.held.pop(name, None)
        self.full.discard(name)

    @rule(name=st.sampled_from("xyz"))
    def fill(self, name: str) -> None:
        if name in self.held:
            self.full.add(name)

    @rule(name=st.sampled_from("xyz"))
    def drain(self, name: str) -> None:
        self.full.discard(name)
        if name in self.held:
            self.held[name].update({user_id: self.now[user_id] for user_id in self.registry.take_missed(name)})

    @rule()
    def tick(self) -> None:
        for name, user_ids in self.registry.take(self.now.__getitem__).items():
            if name in self.full:
                self.registry.miss(name, user_ids)
            else:
                self.held[name].update({user_id: self.now[user_id] for user_id in user_ids})
        self.is_settled = True

    @invariant()
    def after_a_tick_everybody_who_reads_holds_the_last_states(self) -> None:
        if self.is_settled:
            for name, held in self.held.items():
                if name not in self.full:
                    assert held == {user_id: self.now[user_id] for user_id in held}


TestWatchMachine = WatchMachine.TestCase
TestWatchMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_connection_looks_at_one_room() -> None:
    looks: LookRegistry[str] = LookRegistry()
    looks.look("one", 7)
    looks.look("two", 7)
    looks.look("one", 8)
    assert (list(looks.lookers(7)), list(looks.lookers(8))) == (["two"], ["one"])
    assert (looks.room_of("one"), 7 in looks, len(looks)) == (8, True, 2)
    looks.look("one", None)
    looks.look("two", None)
    assert not any((looks._rooms, looks._lookers))
