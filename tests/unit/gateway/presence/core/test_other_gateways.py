"""Whatever the broker does with the signals of a gateway, the next beat sets everything right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.broker_events import PresenceBeat, PresenceChanged
from services.gateway.presence.core.announcements import Announcements
from services.gateway.presence.core.other_gateways import OtherGateways

BEAT_S, GRACE_S = 10.0, 30.0
ADA, BOB = 1, 2


def others(settle_s: float = BEAT_S) -> OtherGateways:
    return OtherGateways(BEAT_S, GRACE_S, settle_s)


def beat(number: int, *online: int, is_last: bool = False) -> PresenceBeat:
    return PresenceBeat(gateway="g", number=number, online=list(online), is_last=is_last)


def changed(
    number: int, *, online: tuple[int, ...] = (), away: tuple[int, ...] = (), gone: tuple[int, ...] = ()
) -> PresenceChanged:
    return PresenceChanged(gateway="g", number=number, online=list(online), away=list(away), gone=list(gone))


def test_changes_that_follow_a_beat_are_applied() -> None:
    found = others()
    assert found.on_beat(beat(1, ADA), 0) == {ADA}
    assert found.on_changed(changed(2, away=(ADA,), online=(BOB,)), 1) == {ADA, BOB}
    assert found.is_away(ADA) is True
    assert found.is_away(BOB) is False
    found.on_changed(changed(3, gone=(ADA,)), 2)
    assert found.is_away(ADA) is None
    assert not found.wants_beat


def test_a_beat_that_says_what_is_known_changes_nobody() -> None:
    found = others()
    found.on_beat(beat(1, ADA, BOB), 0)
    assert found.on_beat(beat(2, ADA, BOB), 10) == set()
    assert found.on_beat(beat(3, ADA), 20) == {BOB}


def test_a_hole_in_the_numbers_asks_for_a_beat() -> None:
    found = others()
    found.on_beat(beat(1, ADA), 0)
    found.on_changed(changed(3, online=(BOB,)), 1)
    assert found.wants_beat
    found.note_asked()
    assert not found.wants_beat
    assert found.is_away(BOB) is False


def test_a_doubled_or_late_signal_has_no_effect() -> None:
    found = others()
    found.on_beat(beat(4, ADA), 0)
    assert found.on_changed(changed(3, gone=(ADA,)), 1) == ()
    assert found.on_beat(beat(4), 1) == set()
    assert found.on_beat(beat(2), 1) == set()
    assert found.is_away(ADA) is False


def test_a_user_at_two_gateways_is_as_awake_as_at_the_more_awake_one() -> None:
    found = others()
    found.on_beat(PresenceBeat(gateway="one", number=1, away=[ADA]), 0)
    found.on_beat(PresenceBeat(gateway="two", number=1, online=[ADA]), 0)
    assert found.is_away(ADA) is False


def test_a_gateway_that_is_not_heard_for_three_beats_is_forgotten() -> None:
    found = others()
    found.on_beat(beat(1, ADA), 0)
    assert found.expire(29.9) == set()
    assert found.expire(30) == {ADA}
    assert len(found) == 0


def test_the_users_of_a_gateway_that_stops_count_for_the_grace() -> None:
    found = OtherGateways(BEAT_S, 5, BEAT_S)
    found.on_beat(beat(1, ADA, is_last=True), 0)
    assert found.expire(4.9) == set()
    assert found.expire(5) == {ADA}


class TestSettled:
    def test_nobody_is_offline_until_the_others_have_had_time_to_tell(self) -> None:
        found = others()
        found.expire(1000)
        assert not found.is_settled
        hear(found, 1005, 1014.9)
        assert found.wants_beat
        assert not found.is_settled
        found.note_own(1015)
        assert found.is_settled

    def test_a_gateway_alone_knows_at_once(self) -> None:
        found = others(settle_s=0)
        found.note_own(5)
        assert found.is_settled

    def test_time_in_which_the_broker_is_silent_settles_nothing(self) -> None:
        found = others()
        hear(found, 0, 4)
        found.note_asked()
        found.expire(11)
        assert not found.is_settled
        hear(found, 11, 20.5)
        assert found.wants_beat
        assert not found.is_settled
        found.note_own(21)
        assert found.is_settled

    def test_a_gateway_that_does_not_hear_itself_knows_nothing_before_it_forgets_others(self) -> None:
        found = others()
        hear(found, 0, 20)
        found.on_beat(beat(1, ADA), 11)  # the broker is silent from now on
        found.expire(35)
        assert found.is_settled
        found.expire(35.1)
        assert found.is_away(ADA) is False
        assert not found.is_settled
        hear(found, 60, 69)
        assert not found.is_settled
        found.note_own(70)
        assert found.is_settled


def hear(found: OtherGateways, from_s: float, until_s: float) -> None:
    """Own signals come back once a second."""
    while from_s <= until_s:
        found.note_own(from_s)
        from_s += 1


def test_a_possible_loss_asks_for_a_beat() -> None:
    found = others()
    found.note_doubt()
    assert found.wants_beat


States = dict[int, bool | None]
users = st.integers(1, 6)
state = st.sampled_from([None, True, False])
step = st.one_of(
    st.tuples(st.just("set"), users, state),
    st.tuples(st.just("changes"), st.integers(0, 0), state),
    st.tuples(st.just("beat"), st.integers(0, 0), state),
)
fate = st.tuples(st.sampled_from(["lost", "once", "twice"]), st.integers(0, 5))


@given(st.lists(step, max_size=60), st.lists(fate, min_size=1, max_size=60))
def test_any_order_and_loss_of_signals_ends_right_after_a_beat(
    steps: list[tuple[str, int, bool | None]], fates: list[tuple[str, int]]
) -> None:
    now: States = {}
    told = Announcements("g")
    signals: list[PresenceChanged | PresenceBeat] = []
    for kind, user_id, value in steps:
        if kind == "set":
            now[user_id] = value
            told.note([user_id])
        elif kind == "beat":
            signals.append(told.beat(now.get))
        elif (changes := told.changes(now.get)) is not None:
            signals.append(changes)
    arriving = [
        (number + delay, number, signal)
        for number, signal in enumerate(signals)
        for how, delay in [fates[number % len(fates)]]
        for _ in range({"lost": 0, "once": 1, "twice": 2}[how])
    ]
    found = others()
    for _, _, signal in sorted(arriving, key=lambda each: each[:2]):
        take(found, signal)
    take(found, told.beat(now.get))
    assert {user_id: found.is_away(user_id) for user_id in range(1, 7)} == {
        user_id: now.get(user_id) for user_id in range(1, 7)
    }


@given(st.lists(st.lists(st.tuples(users, state), max_size=5), max_size=30))
def test_without_loss_every_change_is_right_at_once(batches: list[list[tuple[int, bool | None]]]) -> None:
    now: States = {}
    told, found = Announcements("g"), others()
    take(found, told.beat(now.get))
    for batch in batches:
        now.update(batch)
        told.note([user_id for user_id, _ in batch])
        if (changes := told.changes(now.get)) is not None:
            take(found, changes)
        assert all(found.is_away(user_id) == now.get(user_id) for user_id in range(1, 7))
    assert not found.wants_beat


def take(found: OtherGateways, signal: PresenceChanged | PresenceBeat) -> None:
    if isinstance(signal, PresenceBeat):
        found.on_beat(signal, 0)
    else:
        found.on_changed(signal, 0)


def test_a_state_that_came_and_went_is_not_announced() -> None:
    told = Announcements("g")
    now: States = {ADA: False}
    told.note([ADA])
    told.changes(now.get)
    now[ADA] = None
    told.note([ADA])
    now[ADA] = False
    told.note([ADA])
    assert told.has_changes
    assert told.changes(now.get) is None


@pytest.mark.parametrize("is_last", [True, False])
def test_a_beat_has_everybody_and_counts_as_told(*, is_last: bool) -> None:
    told = Announcements("g")
    now: States = {ADA: False, BOB: True, 3: None}
    told.note(now)
    assert told.beat(now.get, is_last=is_last) == PresenceBeat(
        gateway="g", number=1, online=[ADA], away=[BOB], is_last=is_last
    )
    told.note(now)
    assert told.changes(now.get) is None
