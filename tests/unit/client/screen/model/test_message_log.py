"""The message log: sorted, without duplicates, bounded, one epoch."""

from hypothesis import given
from hypothesis import strategies as st

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
