"""A user is here while any connection lives, or was here a moment ago; a logout ends that at once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.gateway.presence.core.leases import Leases

GRACE_S = 30.0
ADA = 1


def leases(*connections: str) -> Leases[str]:
    """Ada with these connections; the session of each is its first letter."""
    found: Leases[str] = Leases(GRACE_S)
    for connection in connections:
        found.open(ADA, connection[0], connection)
    return found


def test_a_user_with_a_connection_is_online_and_others_are_not_here() -> None:
    found = leases("a1")
    assert found.is_away(ADA) is False
    assert found.is_away(2) is None
    assert list(found.users()) == [(ADA, False)]


def test_a_user_is_away_if_no_device_is_in_use() -> None:
    found = leases("a1", "b1")
    found.set_away(ADA, "a1", away=True)
    assert found.is_away(ADA) is False
    found.set_away(ADA, "b1", away=True)
    assert found.is_away(ADA) is True
    found.set_away(ADA, "b1", away=False)
    assert found.is_away(ADA) is False


def test_a_closed_connection_counts_for_the_grace() -> None:
    found = leases("a1")
    found.close(ADA, "a", "a1", 100)
    found.expire(129.9)
    assert found.is_away(ADA) is False
    found.expire(130)
    assert found.is_away(ADA) is None
    assert found._users == {}


def test_who_comes_back_within_the_grace_has_not_changed() -> None:
    found = leases("a1")
    found.close(ADA, "a", "a1", 100)
    found.open(ADA, "a", "a2")
    found.expire(1000)
    assert found.is_away(ADA) is False


def test_a_user_who_was_away_stays_away_for_the_grace() -> None:
    found = leases("a1")
    found.set_away(ADA, "a1", away=True)
    found.close(ADA, "a", "a1", 100)
    assert found.is_away(ADA) is True


def test_a_device_in_use_that_breaks_counts_before_one_that_is_away() -> None:
    found = leases("a1", "b1")
    found.set_away(ADA, "b1", away=True)
    found.close(ADA, "a", "a1", 100)
    assert found.is_away(ADA) is False
    found.expire(130)
    assert found.is_away(ADA) is True


def test_a_new_connection_may_count_as_away_until_it_says_so_or_a_moment_has_passed() -> None:
    found = leases()
    found.open(ADA, "a", "a1", away_until_s=100.5)
    found.expire(100)
    assert found.is_away(ADA) is True
    found.expire(100.5)
    assert found.is_away(ADA) is False
    for away in (True, False):
        found.open(2, "b", "b1", away_until_s=100.5)
        found.set_away(2, "b1", away=away)
        found.expire(1000)
        assert found.is_away(2) is away
    found.open(3, "c", "c1", away_until_s=100.5)
    found.close(3, "c", "c1", 100)
    assert not found._undeclared


def test_a_logout_ends_the_grace_of_its_session_only() -> None:
    found = leases("a1", "b1")
    found.close(ADA, "a", "a1", 100)
    found.close(ADA, "b", "b1", 100)
    found.end_sessions(["a", "unknown"])
    assert found.is_away(ADA) is False
    found.end_sessions(["b"])
    assert found.is_away(ADA) is None


def test_a_hidden_user_is_not_here_until_shown_again() -> None:
    found = leases("a1")
    found.take_changed()
    found.hide(ADA, hidden=True)
    assert found.is_away(ADA) is None
    assert list(found.users()) == []
    assert found.take_changed() == {ADA}
    found.hide(ADA, hidden=False)
    assert found.is_away(ADA) is False


def test_nothing_is_kept_of_a_hidden_user_who_has_gone() -> None:
    found = leases("a1")
    found.hide(ADA, hidden=True)
    found.close(ADA, "a", "a1", 0)
    found.expire(GRACE_S)
    found.hide(2, hidden=True)
    assert not any((found._users, found._graces, found._hidden))


def test_only_changes_are_reported() -> None:
    found = leases("a1")
    assert found.take_changed() == {ADA}
    found.set_away(ADA, "a1", away=False)
    found.set_away(ADA, "unknown", away=True)
    found.close(2, "z", "z1", 0)
    assert found.take_changed() == set()


class LeaseMachine(RuleBasedStateMachine):
    """Two users with two sessions each come and go; compared with a list of all leases that there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.leases: Leases[int] = Leases(GRACE_S)
        self.now_s = 0.0
        self.connections: dict[int, tuple[int, str, bool]] = {}
        self.count = 0
        self.until_s: dict[str, float] = {}
        """By session: how long its closed connections count at least."""

    @rule(user_id=st.integers(1, 2), which=st.sampled_from("ab"))
    def open(self, user_id: int, which: str) -> None:
        self.count += 1
        sid = f"{user_id}{which}"
        self.leases.open(user_id, sid, self.count)
        self.connections[self.count] = user_id, sid, False
        self.until_s.pop(sid, None)

    @rule(data=st.data(), away=st.booleans())
    def set_away(self, data: st.DataObject, away: bool) -> None:
        if self.connections:
            number = data.draw(st.sampled_from(sorted(self.connections)))
            user_id, sid, _ = self.connections[number]
            self.leases.set_away(user_id, number, away=away)
            self.connections[number] = user_id, sid, away

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        if self.connections:
            number = data.draw(st.sampled_from(sorted(self.connections)))
            user_id, sid, _ = self.connections.pop(number)
            self.leases.close(user_id, sid, number, self.now_s)
            self.until_s[sid] = self.now_s + GRACE_S

    @rule(user_id=st.integers(1, 2), which=st.sampled_from("ab"))
    def log_out(self, user_id: int, which: str) -> None:
        sid = f"{user_id}{which}"
        for number, (_, each, _) in tuple(self.connections.items()):
            if each == sid:
                del self.connections[number]
                self.leases.close(user_id, sid, number, self.now_s)
        self.leases.end_sessions([sid])
        self.until_s.pop(sid, None)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.leases.expire(self.now_s)

    @invariant()
    def a_user_is_here_exactly_while_a_lease_lives(self) -> None:
        for user_id in (1, 2):
            open_away = [away for each, _, away in self.connections.values() if each == user_id]
            in_grace = any(
                until_s > self.now_s for sid, until_s in self.until_s.items() if sid.startswith(str(user_id))
            )
            assert (self.leases.is_away(user_id) is not None) == bool(open_away or in_grace)
            if not all(open_away):
                assert self.leases.is_away(user_id) is False

    @invariant()
    def nothing_else_is_kept(self) -> None:
        here = {user_id for user_id, _, _ in self.connections.values()}
        assert {user_id for user_id in self.leases._users if user_id not in here} <= {
            int(sid[0]) for sid in self.until_s
        }


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.floats(0.1, 29), min_size=1, max_size=20))
def test_a_connection_that_breaks_again_and_again_never_flaps(gaps_s: list[float]) -> None:
    found, now_s = leases("a0"), 0.0
    for number, gap_s in enumerate(gaps_s):
        found.close(ADA, "a", f"a{number}", now_s)
        now_s += gap_s
        found.expire(now_s)
        assert found.is_away(ADA) is False
        found.open(ADA, "a", f"a{number + 1}")
