"""The checker finds every kind of fault, reports it once, and reports nothing in clean runs."""

import random

import pytest
from msgspec.structs import replace

from tests.chaos.checker import judge
from tests.chaos.operations import (
    Acked,
    Began,
    ChangeAcked,
    ChangeInvoked,
    Closed,
    Delivered,
    Healed,
    Invoked,
    Opened,
    Restored,
    Stopped,
    Stored,
    from_lines,
    to_lines,
)
from tests.chaos.verdict import MEANINGS, Fault, Invariant, Limits
from tests.unit.chaos import damage
from tests.unit.chaos.damage import Damage, each
from tests.unit.chaos.histories import History, World, clean

SEEDS = range(8)

FAULTS: list[tuple[Damage, Invariant, Fault | None]] = [
    (damage.lose_an_acked_message, Invariant.ACKED_IS_STORED, Fault.LOST),
    (damage.lose_a_whole_room, Invariant.ACKED_IS_STORED, Fault.LOST),
    (damage.ack_at_another_offset, Invariant.ACKED_IS_STORED, None),
    (damage.leave_a_gap_in_the_store, Invariant.STORED_WITHOUT_HOLES, Fault.GAP),
    (damage.store_a_message_twice, Invariant.STORED_WITHOUT_HOLES, Fault.DOUBLED),
    (damage.give_an_offset_twice, Invariant.STORED_WITHOUT_HOLES, Fault.DOUBLED),
    (damage.read_history_out_of_order, Invariant.STORED_WITHOUT_HOLES, Fault.REORDERED),
    (damage.deliver_different_messages_at_one_position, Invariant.ONE_MESSAGE_PER_POSITION, None),
    (damage.name_another_author, Invariant.ONE_MESSAGE_PER_POSITION, None),
    (damage.name_another_author, Invariant.NOTHING_FROM_NOWHERE, Fault.UNEXPLAINED),
    (damage.drop_a_live_message, Invariant.STREAM_IN_ORDER, Fault.GAP),
    (damage.swap_live_messages, Invariant.STREAM_IN_ORDER, Fault.REORDERED),
    (damage.deliver_a_live_message_twice, Invariant.STREAM_IN_ORDER, Fault.DOUBLED),
    (damage.deliver_without_a_stream, Invariant.STREAM_IN_ORDER, None),
    (damage.swap_in_a_page, Invariant.STREAM_IN_ORDER, Fault.REORDERED),
    (damage.leave_a_gap_in_a_page, Invariant.STREAM_IN_ORDER, Fault.GAP),
    (damage.lose_the_last_message_before_a_disconnect, Invariant.STREAM_IN_ORDER, Fault.GAP),
    (damage.resume_later_than_requested, Invariant.RESUME_IS_EXACT, Fault.GAP),
    (damage.resume_earlier_than_requested, Invariant.RESUME_IS_EXACT, Fault.DOUBLED),
    (damage.skip_the_first_message_after_a_resume, Invariant.RESUME_IS_EXACT, Fault.GAP),
    (damage.treat_a_resume_as_a_new_subscription, Invariant.RESUME_IS_EXACT, Fault.GAP),
    (damage.omit_the_pages_of_a_resume, Invariant.RESUME_IS_EXACT, Fault.GAP),
    (damage.store_a_message_that_was_never_sent, Invariant.NOTHING_FROM_NOWHERE, Fault.UNEXPLAINED),
    (damage.store_a_message_that_was_refused, Invariant.NOTHING_FROM_NOWHERE, Fault.UNEXPLAINED),
    (damage.deliver_a_message_at_two_positions, Invariant.NOTHING_FROM_NOWHERE, Fault.DOUBLED),
    (damage.ack_a_retry_with_another_position, Invariant.SAME_ACK, None),
    (damage.order_against_real_time, Invariant.REAL_TIME, Fault.REORDERED),
    (damage.change_the_epoch_under_a_connection, Invariant.ONE_EPOCH, None),
    (damage.ack_in_another_epoch, Invariant.ONE_EPOCH, None),
    (damage.never_deliver_the_last_message, Invariant.ON_TIME, None),
    (damage.deliver_the_last_message_late, Invariant.ON_TIME, None),
    (damage.deliver_to_an_ended_session, Invariant.ENDED_IS_ENDED, None),
    (damage.ack_to_an_ended_session, Invariant.ENDED_IS_ENDED, None),
    (damage.welcome_an_ended_session, Invariant.ENDED_IS_ENDED, None),
    (damage.store_a_message_with_an_earlier_time, Invariant.TIME_GOES_FORWARD, None),
    (damage.lose_an_acked_change, Invariant.ACKED_CHANGE_IS_STORED, Fault.LOST),
    (damage.forget_an_acked_edit, Invariant.ACKED_CHANGE_IS_STORED, Fault.LOST),
    (damage.forget_an_acked_reaction, Invariant.ACKED_CHANGE_IS_STORED, Fault.LOST),
    (damage.keep_the_text_of_an_erased_message, Invariant.ACKED_CHANGE_IS_STORED, Fault.LOST),
    (damage.lose_a_pushed_change, Invariant.CHANGES_JOIN, Fault.GAP),
    (damage.never_push_the_last_change, Invariant.CHANGES_JOIN, Fault.GAP),
    (damage.push_a_change_without_a_stream, Invariant.CHANGES_JOIN, None),
    (damage.give_a_rev_twice, Invariant.CHANGES_JOIN, None),
    (damage.hold_a_stale_message, Invariant.HELD_IS_STORED, Fault.UNEXPLAINED),
    (damage.deliver_another_text_of_the_same_rev, Invariant.HELD_IS_STORED, Fault.UNEXPLAINED),
    (damage.lower_the_reply_to_a_read_position, Invariant.READ_STATE_HOLDS, None),
    (damage.lose_a_read_position, Invariant.READ_STATE_HOLDS, Fault.LOST),
    (damage.never_tell_the_last_read_position, Invariant.READ_STATE_HOLDS, Fault.GAP),
    (damage.let_a_read_position_fall, Invariant.READ_STATE_HOLDS, Fault.REORDERED),
    (damage.count_own_messages, Invariant.READ_STATE_HOLDS, Fault.UNEXPLAINED),
    (damage.count_a_mention_that_is_none, Invariant.READ_STATE_HOLDS, Fault.UNEXPLAINED),
    (damage.receive_an_erased_text, Invariant.ERASED_IS_GONE, Fault.UNEXPLAINED),
    (damage.keep_an_erased_text_in_a_file, Invariant.ERASED_IS_GONE, Fault.UNEXPLAINED),
    (damage.keep_an_erased_text_in_an_object, Invariant.ERASED_IS_GONE, Fault.UNEXPLAINED),
    (damage.remember_erased_texts, Invariant.ERASED_IS_GONE, Fault.UNEXPLAINED),
    (damage.bring_an_erased_text_back, Invariant.ERASED_IS_GONE, Fault.UNEXPLAINED),
    (damage.show_a_connected_user_offline, Invariant.PRESENCE_IS_TRUE, Fault.UNEXPLAINED),
    (damage.show_a_user_offline_within_the_grace, Invariant.PRESENCE_IS_TRUE, Fault.UNEXPLAINED),
    (damage.show_an_absent_user_online_in_the_end, Invariant.PRESENCE_IS_TRUE, Fault.UNEXPLAINED),
    (damage.lose_a_file, Invariant.FILES_ARE_NAMED, Fault.LOST),
    (damage.change_the_bytes_of_a_file, Invariant.FILES_ARE_NAMED, Fault.UNEXPLAINED),
    (damage.erase_a_file_of_a_message, Invariant.FILES_ARE_NAMED, Fault.LOST),
    (damage.keep_a_file_that_no_message_has, Invariant.FILES_ARE_NAMED, Fault.UNEXPLAINED),
    (damage.ack_a_message_late, Invariant.ACKED_IN_TIME, None),
    (damage.leak_memory, Invariant.AT_REST, None),
    (damage.leak_descriptors, Invariant.AT_REST, None),
]


def sentences(history: History) -> list[str]:
    return [str(violation) for violation in judge(history).violations]


@pytest.fixture(scope="module", params=SEEDS)
def history(request: pytest.FixtureRequest) -> History:
    return clean(request.param)


class TestCleanRun:
    @pytest.mark.parametrize("seed", range(25))
    def test_clean_run_has_no_violations(self, seed: int) -> None:
        assert sentences(clean(seed)) == []

    @pytest.mark.parametrize("seed", range(25))
    def test_clean_run_with_a_restored_backup_has_no_violations(self, seed: int) -> None:
        assert sentences(clean(seed, restore=True)) == []

    def test_verdict_from_serialized_lines_is_the_same(self, history: History) -> None:
        assert judge(from_lines(to_lines(history))) == judge(history)

    def test_empty_run_is_clean(self) -> None:
        assert judge([]).is_clean


@pytest.mark.parametrize(("damaged", "invariant", "fault"), FAULTS, ids=lambda each: getattr(each, "__name__", None))
def test_every_fault_is_reported_with_its_invariant(
    history: History, damaged: Damage, invariant: Invariant, fault: Fault | None
) -> None:
    verdict = judge(damaged(history, random.Random(1)))
    assert (invariant, fault) in {(violation.invariant, violation.fault) for violation in verdict.violations}


def test_every_invariant_has_a_fault_that_breaks_it() -> None:
    """Those of encrypted conversations are broken in `test_encrypted_conversations.py`."""
    of_encryption = {
        Invariant.RECIPIENTS_READ,
        Invariant.SAYS_WHAT_WAS_TYPED,
        Invariant.TO_DEVICE_IN_ORDER,
        Invariant.INDEX_USED_ONCE,
        Invariant.NO_WORD_IN_CLEAR,
    }
    assert {invariant for _, invariant, _ in FAULTS} | of_encryption == set(Invariant) == set(MEANINGS)


class TestSingleViolations:
    """A fault that breaks one invariant gives one violation, so that a report does not mislead."""

    @pytest.mark.parametrize(
        ("damaged", "invariant"),
        [
            (damage.deliver_without_a_stream, Invariant.STREAM_IN_ORDER),
            (damage.drop_a_live_message, Invariant.STREAM_IN_ORDER),
            (damage.swap_live_messages, Invariant.STREAM_IN_ORDER),
            (damage.skip_the_first_message_after_a_resume, Invariant.RESUME_IS_EXACT),
            (damage.read_history_out_of_order, Invariant.STORED_WITHOUT_HOLES),
            (damage.never_deliver_the_last_message, Invariant.ON_TIME),
            (damage.leak_memory, Invariant.AT_REST),
        ],
    )
    def test_fault_that_breaks_one_invariant_gives_one_violation(
        self, history: History, damaged: Damage, invariant: Invariant
    ) -> None:
        violations = judge(damaged(history, random.Random(1))).violations
        assert [violation.invariant for violation in violations] == [invariant]


class TestSentences:
    def test_violation_of_a_lost_ack_names_room_offset_and_content(self) -> None:
        history = [one for one in two_messages() if not isinstance(one, Stored) or one.offset == 1]
        assert sentences(history) == [
            "I1: 'second' was acked at ops e/2 but is not stored.",
        ]

    def test_violation_of_a_gap_names_connection_and_offsets(self) -> None:
        history = [one for one in two_messages() if not isinstance(one, Delivered) or one.offset == 2]
        assert sentences(history) == ["I4: ada/1 in ops: 1 missing between 0 and 2."]


class TestRestore:
    """Messages acked in the old epoch after the backup may be lost; nothing else is excused."""

    def test_restore_excuses_the_loss_of_messages_acked_before(self) -> None:
        assert judge([*acked_only("old"), Restored(at_s=5), stored("new", "other")]).counts.lost == 0

    def test_restore_excuses_no_loss_of_messages_acked_after(self) -> None:
        assert judge([Restored(at_s=0), *acked_only("new")]).counts.lost == 1

    def test_restore_excuses_no_loss_in_an_epoch_that_continues(self) -> None:
        assert judge([*acked_only("old"), Restored(at_s=5), stored("old", "other")]).counts.lost == 1

    def test_restore_excuses_no_loss_of_messages_in_the_backup(self) -> None:
        assert judge([*acked_only("old"), Restored(at_s=5, copied_s=3), stored("new", "other")]).counts.lost == 1

    def test_restored_messages_must_keep_their_offsets(self) -> None:
        history = [*acked_only("old"), Restored(at_s=5, copied_s=3), stored("new", "mine")]
        assert sentences(history) == []
        history[-1] = replace(stored("new", "mine"), offset=2)
        assert Invariant.ACKED_IS_STORED in judge(history).broken

    def test_edit_acked_while_the_backup_was_made_may_be_in_it(self) -> None:
        first, second = edit(1, "mine 1", at_s=2.5, rev=1), edit(2, "mine 2", at_s=4, rev=2)
        for text, rev in (("mine 1", 1), ("mine 2", 2)):
            assert sentences([*acked_only("old"), *first, *second, *restored_with(text, rev=rev, copied_s=3)]) == []

    def test_edit_in_the_backup_must_not_give_way_to_an_earlier_one(self) -> None:
        first, second = edit(1, "mine 1", at_s=2.5, rev=1), edit(2, "mine 2", at_s=4, rev=2)
        history = [*acked_only("old"), *first, *second, *restored_with("mine 1", rev=2, copied_s=5)]
        assert judge(history).broken == {Invariant.ACKED_CHANGE_IS_STORED}

    def test_edit_made_after_a_restore_must_not_give_way_to_one_from_before(self) -> None:
        before = edit(1, "mine 1", at_s=4, rev=1)
        after = edit(2, "mine 2", at_s=8, rev=1, epoch="new")
        history = [*acked_only("old"), *before, *after, *restored_with("mine 1", rev=1, copied_s=3)]
        assert judge(history).broken == {Invariant.ACKED_CHANGE_IS_STORED}

    def test_message_deleted_after_the_backup_is_deleted_again_without_a_rev(self) -> None:
        deletion = replace(edit(1, "", at_s=4, rev=1)[0], did="delete")
        erased = replace(restored_with("", rev=0, copied_s=3)[1], deleted=True)
        restore = Restored(at_s=6, copied_s=3)
        assert sentences([*acked_only("old"), deletion, restore, erased]) == []
        assert Invariant.NOTHING_FROM_NOWHERE in judge([*acked_only("old"), restore, erased]).broken
        assert Invariant.NOTHING_FROM_NOWHERE in judge([*acked_only("new"), deletion, erased]).broken

    def test_resume_across_a_restore_must_be_a_reset(self) -> None:
        history = clean(1, restore=True)
        began = next(one for one in each(history, Began) if one.epoch.endswith("second"))
        broken = judge(damage.instead(history, began, replace(began, since=began.offset))).broken
        assert Invariant.ONE_EPOCH in broken


class TestTimeLimit:
    def test_delivery_within_the_time_limit_is_no_violation(self, history: History) -> None:
        late = damage.deliver_the_last_message_late(history, random.Random(1))
        assert judge(late, Limits(on_time_s=17)).is_clean

    def test_recovery_time_is_that_of_the_last_reader(self) -> None:
        history = [*two_messages(), Healed(at_s=1.05)]
        history = [replace(one, at_s=4.05) if isinstance(one, Delivered) else one for one in history]
        assert judge(history).recovery_s == pytest.approx(3.0)

    def test_recovery_time_is_unknown_if_a_reader_never_recovered(self) -> None:
        history = [one for one in two_messages() if not isinstance(one, Delivered)]
        assert judge([*history, Healed(at_s=2.5)]).recovery_s is None

    def test_time_limit_does_not_apply_to_a_connection_lost_before(self) -> None:
        history = [one for one in two_messages() if not isinstance(one, Delivered)]
        assert judge([*history, Closed(at_s=3, connection="ada/1", code=1006)]).is_clean

    def test_time_limit_applies_to_a_connection_closed_after_the_end(self) -> None:
        history = [one for one in two_messages() if not isinstance(one, Delivered)]
        closed = Closed(at_s=60, connection="ada/1", code=1000)
        assert judge([*history, closed]).broken == {Invariant.ON_TIME}


class TestReader:
    """A reader's progress spans all its connections."""

    def test_reader_may_lose_the_connection_while_reading_pages(self) -> None:
        broken = [*two_messages()[:-2], Closed(at_s=3, connection="ada/1", code=1006), *resumed(since=2, at=6)]
        page = [paged(3), paged(4)]
        again = [Closed(at_s=8, connection="ada/2", code=1006), *resumed(since=4, at=4, connection="ada/3", at_s=9)]
        verdict = judge([*broken, *page, *again])
        assert not verdict.broken & {Invariant.STREAM_IN_ORDER, Invariant.RESUME_IS_EXACT}

    def test_reader_that_skips_unread_pages_breaks_the_order(self) -> None:
        broken = [*two_messages()[:-2], Closed(at_s=3, connection="ada/1", code=1006), *resumed(since=2, at=6)]
        page = [paged(3), paged(4)]
        again = [Closed(at_s=8, connection="ada/2", code=1006), *resumed(since=6, at=6, connection="ada/3", at_s=9)]
        assert Invariant.STREAM_IN_ORDER in judge([*broken, *page, *again]).broken

    def test_delivery_after_a_stopped_stream_breaks_the_order(self) -> None:
        stopped = Stopped(at_s=1.5, connection="ada/1", room="ops")
        assert Invariant.STREAM_IN_ORDER in judge([*two_messages(), stopped]).broken

    def test_reader_starts_over_in_a_room_that_it_rejoins(self) -> None:
        left = Stopped(at_s=2.5, connection="ada/1", room="ops")
        again = replace(resumed(since=2, at=2)[-1], connection="ada/1", since=None)
        assert not judge([*two_messages()[:-1], left, again]).broken & {
            Invariant.STREAM_IN_ORDER, Invariant.RESUME_IS_EXACT
        }  # fmt: skip


class TestCounts:
    def test_sent_messages_are_acked_refused_or_unknown(self, history: History) -> None:
        counts = judge(history).counts
        assert (
            counts.sent
            == counts.acked + counts.refused + counts.unknown
            == len({one.content for one in each(history, Invoked)})
        )

    def test_live_and_paged_deliveries_are_counted_separately(self, history: History) -> None:
        counts = judge(history).counts
        assert counts.delivered + counts.paged == len(each(history, Delivered))

    def test_clean_run_counts_no_faults(self, history: History) -> None:
        counts = judge(history).counts
        assert not any((counts.lost, counts.doubled, counts.reordered, counts.gaps, counts.unexplained))

    def test_each_lost_message_is_counted(self, history: History) -> None:
        acked = {ack.content for ack in each(history, Acked)}
        lost = [one for one in each(history, Stored) if one.content in acked][:7]
        assert judge(damage.without(history, *lost)).counts.lost == 7


def test_checker_judges_a_hundred_thousand_operations() -> None:
    world = World(1, rooms=10, readers=20)
    for reader in world.readers:
        world.connect(reader)
    while len(world.operations) < 100_000:
        for reader in world.readers:
            world.send(reader) if reader.connection else world.connect(reader)
            world.push(reader) if reader.connection else world.connect(reader)
    world.settle()
    world.read_all()
    assert judge(world.operations).is_clean


def two_messages() -> History:
    """Bob sends two messages, Ada gets them."""
    history: History = [
        Opened(at_s=0, connection="ada/1", reader="ada", session="s", server="g"),
        Began(at_s=0, connection="ada/1", room="ops", epoch="e", offset=0),
    ]
    for offset, content in enumerate(["first", "second"], 1):
        history += [
            Invoked(at_s=offset, connection="bob/1", room="ops", username="bob", content=content),
            Acked(at_s=offset, connection="bob/1", room="ops", content=content, epoch="e", offset=offset),
            Delivered(
                at_s=offset, connection="ada/1", room="ops", epoch="e", offset=offset, username="bob", content=content
            ),
        ]
    return [
        *history,
        *(replace(stored("e", content), offset=offset) for offset, content in ((1, "first"), (2, "second"))),
    ]


def acked_only(epoch: str) -> History:
    return [
        Invoked(at_s=1, connection="bob/1", room="ops", username="bob", content="mine"),
        Acked(at_s=2, connection="bob/1", room="ops", content="mine", epoch=epoch, offset=1),
    ]


def stored(epoch: str, content: str) -> Stored:
    return Stored(at_s=50, room="ops", epoch=epoch, offset=1, username="bob", content=content)


def edit(number: int, text: str, *, at_s: float, rev: int, epoch: str = "old") -> History:
    """An acked edit of the message of `acked_only`."""
    return [
        ChangeInvoked(
            at_s=at_s, connection="bob/1", number=number, username="bob", room="ops", epoch=epoch, offset=1,
            did="edit", value=text,
        ),
        ChangeAcked(at_s=at_s + 0.1, connection="bob/1", number=number, rev=rev),
    ]  # fmt: skip


def restored_with(text: str, *, rev: int, copied_s: float) -> tuple[Restored, Stored]:
    return Restored(at_s=6, copied_s=copied_s), replace(stored("new", text), rev=rev)


def resumed(since: int, at: int, connection: str = "ada/2", at_s: float = 5) -> History:
    return [
        Opened(at_s=at_s, connection=connection, reader="ada", session="s", server="g"),
        Began(at_s=at_s, connection=connection, room="ops", epoch="e", offset=at, since=since),
    ]


def paged(offset: int) -> Delivered:
    return Delivered(
        at_s=6, connection="ada/2", room="ops", epoch="e", offset=offset, username="bob", content=f"message{offset}",
        paged=True,
    )  # fmt: skip
