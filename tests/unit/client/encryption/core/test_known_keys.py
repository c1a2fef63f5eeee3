import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from client.encryption.core import known_keys
from client.encryption.core.device_list_chain import ListPlace
from client.encryption.core.known_keys import KnownKey, VerifiedFirst
from client.encryption.core.trust import Trust

FIRST = known_keys.first_seen(7, "bob", "A", 10)


def place(version: int, generation: int = 1) -> ListPlace:
    return ListPlace(generation=generation, version=version, digest="d", self_signing="s")


class TestChange:
    def test_the_first_key_is_seen_not_verified(self) -> None:
        assert FIRST.trust is Trust.SEEN

    def test_another_key_waits_until_it_is_accepted(self) -> None:
        changed = known_keys.shows(FIRST, "B", 20)
        assert (changed.trust, changed.master, changed.shown) == (Trust.CHANGED, "A", "B")
        accepted = known_keys.accept_change(changed, 30)
        assert (accepted.trust, accepted.master, accepted.since_ms) == (Trust.SEEN, "B", 30)

    def test_a_change_that_is_taken_back_is_over(self) -> None:
        assert known_keys.shows(known_keys.shows(FIRST, "B", 20), "A", 30) == FIRST

    def test_a_verified_key_is_not_replaced_by_accepting(self) -> None:
        verified = known_keys.verify(FIRST, "A", 15)
        changed = known_keys.shows(verified, "B", 20)
        with pytest.raises(VerifiedFirst):
            known_keys.accept_change(changed, 30)
        assert known_keys.accept_change(known_keys.unverify(changed, 25), 30).trust is Trust.SEEN
        assert known_keys.verify(changed, "B", 30).trust is Trust.VERIFIED


class MarkOfAVerifiedKey(RuleBasedStateMachine):
    """The mark "verified" stands only for a master key that was compared, whatever the server shows meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 10
        self.compared: set[str] = set()

    @initialize(master=st.sampled_from("ABC"))
    def first(self, master: str) -> None:
        self.known = known_keys.first_seen(7, "bob", master, self.now_ms)

    @rule(master=st.sampled_from("ABC"))
    def server_shows(self, master: str) -> None:
        self.now_ms += 1
        self.known = known_keys.shows(self.known, master, self.now_ms)

    @rule()
    def accept(self) -> None:
        self.now_ms += 1
        if self.known.changed_to and self.known.verified:
            with pytest.raises(VerifiedFirst):
                known_keys.accept_change(self.known, self.now_ms)
        else:
            self.known = known_keys.accept_change(self.known, self.now_ms)

    @rule()
    def verify(self) -> None:
        self.now_ms += 1
        self.compared.add(self.known.shown)
        self.known = known_keys.verify(self.known, self.known.shown, self.now_ms)

    @rule()
    def unverify(self) -> None:
        self.now_ms += 1
        self.known = known_keys.unverify(self.known, self.now_ms)

    @rule(master=st.sampled_from("ABC"), verified=st.booleans(), decided_ms=st.integers(0, 100))
    def merge(self, master: str, verified: bool, decided_ms: int) -> None:
        theirs = KnownKey(
            user_id=7,
            username="bob",
            master=master,
            since_ms=5,
            verified=verified and decided_ms > 0,
            decided_ms=decided_ms,
        )
        if theirs.verified:
            self.compared.add(master)
        self.known = known_keys.merged(self.known, theirs)

    @invariant()
    def only_compared_keys_are_verified(self) -> None:
        assert not self.known.verified or self.known.master in self.compared
        assert self.known.changed_to != self.known.master


TestMarkOfAVerifiedKey = MarkOfAVerifiedKey.TestCase


class TestMerge:
    def test_the_earlier_first_sight_of_the_same_key_counts(self) -> None:
        earlier = known_keys.first_seen(7, "bob", "A", 5)
        assert known_keys.merged(FIRST, earlier).since_ms == 5

    def test_what_another_device_merely_saw_changes_nothing_here(self) -> None:
        other = known_keys.first_seen(7, "bob", "B", 5)
        assert known_keys.merged(FIRST, other).master == "A"

    def test_the_later_decision_of_the_user_counts(self) -> None:
        verified = known_keys.verify(FIRST, "A", 20)
        assert known_keys.merged(FIRST, verified).trust is Trust.VERIFIED
        assert known_keys.merged(known_keys.unverify(FIRST, 30), verified).trust is Trust.SEEN

    def test_a_change_accepted_on_another_device_is_accepted_here(self) -> None:
        changed = known_keys.shows(FIRST, "B", 20)
        accepted = known_keys.accept_change(changed, 30)
        merged = known_keys.merged(changed, accepted)
        assert (merged.master, merged.trust) == ("B", Trust.SEEN)

    def test_nothing_known_takes_what_the_other_device_knows(self) -> None:
        assert known_keys.merged(None, FIRST) == FIRST

    @given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 5)), max_size=6), st.integers(1, 5))
    def test_the_higher_list_counts(self, seen: list[tuple[str, int]], version: int) -> None:
        mine = FIRST
        for master, number in seen:
            mine = known_keys.with_place(mine, master, place(number))
        theirs = known_keys.with_place(FIRST, "A", place(version))
        highest = max(version, mine.places["A"].version if "A" in mine.places else 0)
        assert known_keys.merged(mine, theirs).places["A"].version == highest

    def test_the_place_of_the_key_in_use_is_never_forgotten(self) -> None:
        known = known_keys.with_place(FIRST, "A", place(9))
        for number in range(40):
            known = known_keys.with_place(known, f"M{number}", place(1))
        assert known.places["A"].version == 9
        assert len(known.places) <= known_keys.MAX_MASTERS
