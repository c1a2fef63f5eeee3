"""The message log: sorted, without duplicates, bounded, one epoch."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import Message
from client.screen.model.message_log import LIMIT, SLACK, MessageLog
from tests.unit.client.world import message


@given(st.lists(st.integers(1, 60), max_size=80))
def test_log_has_each_message_once_in_order_of_offsets(offsets: list[int]) -> None:
    log = MessageLog()
    for offset in offsets:
        log.add([message(offset)])
    assert log.offsets == sorted(set(offsets))
    assert all(log[offset].at.offset == offset for offset in log.offsets)
    gaps = sum(log.gap_before(index) for index in range(len(log)))
    assert not log or gaps == log.last - (log.first or 0) + 1 - len(log)


def test_full_log_drops_its_oldest_messages() -> None:
    log = MessageLog()
    log.add(message(offset) for offset in range(1, LIMIT + 2))
    assert len(log) == LIMIT - SLACK
    assert log.last == LIMIT + 1
    assert not log.complete


def test_message_of_another_epoch_clears_the_log() -> None:
    log = MessageLog()
    log.add([message(1), message(2), message(1, epoch="e2")])
    assert (log.offsets, log.epoch) == ([1], "e2")


def state(offset: int, rev: int) -> Message:
    return msgspec.structs.replace(message(offset), rev=rev, content=f"{offset} as of {rev}")


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=40), st.booleans())
def test_log_ends_with_the_latest_state_of_each_message_in_any_order_and_however_often(
    states: list[tuple[int, int]], by_pages: bool
) -> None:
    log = MessageLog()
    for offset, rev in states:
        if by_pages or offset not in log:
            log.add([state(offset, rev)])
        else:
            log.replace(state(offset, rev))
    latest = {offset: max(rev for other, rev in states if other == offset) for offset, _ in states}
    assert {offset: log[offset].rev for offset in log.offsets} == latest


def test_erased_text_leaves_the_log() -> None:
    log = MessageLog()
    log.add([state(1, 0)])
    log.replace(msgspec.structs.replace(message(1), rev=3, content="", deleted=True))
    assert "1 as of 0" not in repr(vars(log))


def test_log_replaces_only_messages_that_it_has_and_of_its_epoch() -> None:
    log = MessageLog()
    log.add([state(1, 1)])
    assert log.replace(state(2, 9)) is None
    assert log.replace(msgspec.structs.replace(message(1, epoch="e2"), rev=9)) is None
    assert log.replace(state(1, 1)) is None
    assert log.offsets == [1]
    assert log.replace(state(1, 2)) == state(1, 1)


def test_offsets_that_a_page_after_an_offset_skips_are_lost() -> None:
    log = MessageLog()
    log.add([message(3), message(20)])
    log.add_page([message(6), message(7)], before=None, after=3, begins=False)
    assert [log.is_lost(offset) for offset in log.offsets] == [False, True, False, False]
    log.add_page([], before=None, after=7, begins=False)
    assert log.is_lost(20)
