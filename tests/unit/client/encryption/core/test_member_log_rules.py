"""What a client makes of a member log: only what members signed counts, and what is held only grows."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, MemberLogError, NewcomerHistory
from client.encryption.core import known_keys
from client.encryption.core.known_keys import KnownKey
from client.encryption.core.member_log_rules import (
    HeldLog,
    entry_after,
    extended,
    is_vouched_for,
    member_trust,
    named_keys,
)
from client.encryption.core.trust import Trust
from tests.support.encryption.signed_entries import EntrySigner, SignedLog, hash_of

ADA, BOB, CYD = EntrySigner(1, "ada"), EntrySigner(2, "bob"), EntrySigner(3, "cyd")
USERS = (ADA, BOB, CYD)
ROOM = "plans~"


def taken(log: SignedLog, held: HeldLog | None = None) -> HeldLog:
    return extended(held or HeldLog(), log.entries, room=ROOM, uid=log.uid)


def of_two() -> SignedLog:
    log = SignedLog(ROOM)
    log.create(ADA)
    log.invite(ADA, BOB)
    return log


@st.composite
def logs(draw: st.DrawFn) -> SignedLog:
    """Any log that its members may write."""
    log = SignedLog(ROOM)
    log.create(ADA, draw(st.sampled_from(list(NewcomerHistory))))
    for _ in range(draw(st.integers(0, 6))):
        members = taken(log).log.members
        if not members:
            break
        by = draw(st.sampled_from([user for user in USERS if user.user_id in members]))
        others = [user for user in USERS if user.user_id != by.user_id]
        present = [user for user in others if user.user_id in members]
        leaves = draw(st.integers(0, 9)) == 0
        if leaves:
            log.leave(by)
        elif by is ADA and present and draw(st.booleans()):
            log.remove(by, draw(st.sampled_from(present)))
        else:
            log.invite(by, draw(st.sampled_from(others)))
    return log


class TestTaking:
    @given(logs(), st.data())
    @settings(max_examples=60, deadline=None)
    def test_log_in_any_pieces_is_the_same_log(self, log: SignedLog, data: st.DataObject) -> None:
        cut = data.draw(st.integers(1, len(log.entries)))
        repeated = data.draw(st.integers(0, cut))
        first = extended(HeldLog(), log.entries[:cut], room=ROOM, uid=log.uid)
        assert extended(first, log.entries[repeated:], room=ROOM, uid=log.uid) == taken(log)

    @given(logs(), st.data())
    @settings(max_examples=60, deadline=None)
    def test_nothing_but_what_members_signed_is_taken(self, log: SignedLog, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(log.entries) - 1))
        field, value = data.draw(
            st.sampled_from(
                [
                    ("room", "other~"),
                    ("seq", 99),
                    ("previous", "x" * 43),
                    ("by", CYD.member),
                    ("self_signing", CYD.self_signing),
                    ("signatures", {}),
                    ("nonce", "m" * 22),
                    ("history", NewcomerHistory.ALL),
                    ("member", CYD.reset().member),
                ]
            )
        )
        entries = list(log.entries)
        entries[place] = msgspec.structs.replace(entries[place], **{field: value})
        if entries[place] == log.entries[place]:
            return
        with pytest.raises(MemberLogError):
            extended(HeldLog(), entries, room=ROOM, uid=log.uid)

    @pytest.mark.parametrize(
        "forge",
        [
            lambda log: log.next(CYD, kind=MemberEntryKind.INVITE, member=CYD.member),
            lambda log: log.next(BOB.reset(), kind=MemberEntryKind.INVITE, member=CYD.member),
            lambda log: log.next(BOB, kind=MemberEntryKind.REMOVE, member=ADA.member),
            lambda log: log.next(ADA, kind=MemberEntryKind.REMOVE, member=CYD.member),
            lambda log: CYD.signed(log.next(ADA, kind=MemberEntryKind.INVITE, member=CYD.member)),
        ],
        ids=["no member", "other keys", "not the creator", "of no member", "signed by another"],
    )
    def test_entry_of_who_may_not_is_refused(self, forge: Callable[[SignedLog], MemberEntry]) -> None:
        log = of_two()
        with pytest.raises(MemberLogError):
            extended(taken(log), [forge(log)], room=ROOM, uid=log.uid)

    def test_log_of_another_room_is_refused(self) -> None:
        log = of_two()
        with pytest.raises(MemberLogError):
            extended(HeldLog(), log.entries, room="other~", uid=log.uid)
        with pytest.raises(MemberLogError):
            extended(HeldLog(), log.entries, room=ROOM, uid="u" * 43)

    def test_last_held_entry_in_another_form_is_refused(self) -> None:
        log = of_two()
        held, other = taken(log), SignedLog(ROOM, log.entries[:1])
        other.invite(ADA, CYD)
        with pytest.raises(MemberLogError, match="contradicts"):
            extended(held, other.entries[1:], room=ROOM, uid=log.uid)

    def test_hashes_are_those_by_which_entries_name_each_other(self) -> None:
        log = of_two()
        held = taken(log)
        assert [held.hash_at(seq) for seq in (0, 1, 2, 3)] == [None, log.uid, hash_of(log.entries[1]), None]

    def test_former_members_are_known(self) -> None:
        log = of_two()
        log.remove(ADA, BOB)
        held = taken(log)
        assert [held.has_had(user.user_id) for user in USERS] == [True, True, False]


class TestSigning:
    @given(logs())
    @settings(max_examples=30, deadline=None)
    def test_signed_entry_is_taken_by_everybody(self, log: SignedLog) -> None:
        held = taken(log)
        if held.log.members.get(ADA.user_id) is None:
            return
        entry = entry_after(
            held,
            MemberEntryKind.INVITE,
            ADA.member,
            ADA.self_signing,
            ADA.self_signing_key.private_bytes_raw(),
            room=ROOM,
            member=CYD.member,
        )
        assert CYD.user_id in extended(held, [entry], room=ROOM, uid=log.uid).log.members

    def test_entry_that_its_author_may_not_add_is_not_signed(self) -> None:
        with pytest.raises(MemberLogError):
            entry_after(
                taken(of_two()),
                MemberEntryKind.REMOVE,
                BOB.member,
                BOB.self_signing,
                BOB.self_signing_key.private_bytes_raw(),
                room=ROOM,
                member=ADA.member,
            )


def known(user: EntrySigner) -> KnownKey:
    return known_keys.first_seen(user.user_id, user.username, user.member.master, 1)


class TestFirstReading:
    def test_log_of_strangers_is_believed(self) -> None:
        assert is_vouched_for(of_two().entries, {})

    def test_log_that_names_a_known_author_with_other_keys_is_not(self) -> None:
        assert not is_vouched_for(of_two().entries, {1: known(ADA.reset())})
        assert is_vouched_for(of_two().entries, {1: known(ADA)})

    def test_one_author_whose_keys_are_known_vouches_for_all_before(self) -> None:
        log = of_two()
        log.invite(BOB, CYD)
        assert is_vouched_for(log.entries, {1: known(ADA.reset()), 2: known(BOB)})

    def test_author_whose_new_keys_were_accepted_may_be_named_with_the_old_ones(self) -> None:
        fresh = ADA.reset()
        accepted = known_keys.accept_change(known_keys.shows(known(ADA), fresh.member.master, 2), 3)
        assert is_vouched_for(of_two().entries, {1: accepted})
        verified = known_keys.verify(accepted, fresh.member.master, 4)
        assert not is_vouched_for(of_two().entries, {1: verified})

    def test_keys_that_are_named_last_are_the_ones_of_a_user(self) -> None:
        log = of_two()
        fresh = BOB.reset()
        log.invite(ADA, fresh)
        assert named_keys(log.entries) == {1: ADA.member, 2: fresh.member}


class TestMemberTrust:
    def test_member_with_the_keys_of_the_log_counts_as_known(self) -> None:
        key = known(BOB)
        assert member_trust(key.master, key) is Trust.SEEN
        assert member_trust(key.master, known_keys.verify(key, key.master, 2)) is Trust.VERIFIED

    def test_member_who_shows_other_keys_than_the_log_gets_none(self) -> None:
        key = known(BOB)
        changed = known_keys.shows(key, "new", 2)
        assert member_trust(key.master, changed) is Trust.CHANGED
        assert member_trust("of the log", key) is Trust.CHANGED

    def test_keys_that_this_user_accepted_or_verified_count(self) -> None:
        key = known(BOB)
        changed = known_keys.shows(key, "new", 2)
        assert member_trust(key.master, known_keys.accept_change(changed, 3)) is Trust.SEEN
        assert member_trust(key.master, known_keys.verify(changed, "new", 3)) is Trust.VERIFIED

    def test_new_invitation_vouches_for_changed_keys_unless_the_former_were_verified(self) -> None:
        key = known(BOB)
        assert member_trust("new", known_keys.shows(key, "new", 2)) is Trust.SEEN
        verified = known_keys.verify(key, key.master, 2)
        assert member_trust("new", known_keys.shows(verified, "new", 3)) is Trust.CHANGED
