"""Ordering one room's messages: each once, in order, with no gap."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import Message
from chatterbox.wire.position import Position
from client.core import message_stream
from client.core.message_stream import MessageStream
from tests.unit.client.world import message, room_state


def at(offset: int, **more: int) -> MessageStream:
    return MessageStream(Position("e1", offset), **more)  # type: ignore[arg-type]


def offsets(messages: list[Message]) -> list[int]:
    return [message.at.offset for message in messages]


class TestPushes:
    def test_next_pushed_message_is_passed_on(self) -> None:
        after, passed = message_stream.take_push(at(4), message(5))
        assert (after.at.offset, offsets(passed)) == (5, [5])

    def test_pushed_message_that_was_shown_is_dropped(self) -> None:
        assert message_stream.take_push(at(4), message(4)) == (at(4), [])

    def test_push_beyond_a_gap_is_held_and_needs_a_page(self) -> None:
        after, passed = message_stream.take_push(at(4), message(7))
        assert not passed
        assert after.needs_page
        assert after.due == 6

    def test_held_messages_follow_once_the_gap_is_filled(self) -> None:
        held, _ = message_stream.take_push(at(4), message(7))
        after, passed, missing = message_stream.take_page(held, [message(5), message(6)])
        assert (offsets(passed), missing, after.needs_page) == ([5, 6, 7], 0, False)

    def test_messages_beyond_the_held_limit_are_read_from_history(self) -> None:
        waiting = at(0)
        for offset in range(2, message_stream.HELD_LIMIT + 12):
            waiting, _ = message_stream.take_push(waiting, message(offset))
        assert len(waiting.held) == message_stream.HELD_LIMIT
        assert waiting.due == message_stream.HELD_LIMIT + 11


class TestPages:
    def test_page_that_ends_within_the_gap_needs_another_page(self) -> None:
        after, _, missing = message_stream.take_page(at(0, due=10), [message(1), message(2)])
        assert after.needs_page
        assert missing == 0

    def test_empty_page_counts_the_gap_as_missing(self) -> None:
        after, passed, missing = message_stream.take_page(at(4, due=6), [])
        assert (after.at.offset, passed, missing) == (6, [], 2)

    def test_gap_within_a_page_is_counted_as_missing(self) -> None:
        _, passed, missing = message_stream.take_page(at(4, due=9), [message(5), message(8)])
        assert (offsets(passed), missing) == ([5, 8], 2)


class TestAcks:
    def test_own_message_is_shown_by_its_ack_and_not_again_by_its_push(self) -> None:
        after, passed = message_stream.take_ack(at(4), message(5))
        assert offsets(passed) == [5]
        assert message_stream.take_push(after, message(5))[1] == []

    def test_ack_that_overtakes_pushes_is_held_without_needing_a_page(self) -> None:
        waiting, passed = message_stream.take_ack(at(4), message(6))
        assert not passed
        assert not waiting.needs_page
        assert offsets(message_stream.take_push(waiting, message(5))[1]) == [5, 6]

    def test_ack_of_another_epoch_is_ignored(self) -> None:
        assert message_stream.take_ack(at(4), message(5, epoch="e2")) == (at(4), [])


class TestWelcome:
    def test_welcome_resumes_from_the_held_position(self) -> None:
        after, reset = message_stream.resume(at(4), room_state(4, head=9), recent=0)
        assert (after.at.offset, after.to_go, after.needs_page, reset) == (4, 5, False, False)

    def test_welcome_beyond_the_held_position_needs_a_page(self) -> None:
        after, _ = message_stream.resume(at(4), room_state(9), recent=0)
        assert after.needs_page
        assert after.to_go == 5

    def test_new_room_starts_the_recent_number_of_messages_back(self) -> None:
        after, _ = message_stream.resume(None, room_state(30), recent=10)
        assert (after.at.offset, after.due, after.target) == (20, 30, None)

    def test_welcome_with_another_epoch_is_a_reset(self) -> None:
        after, reset = message_stream.resume(at(4), room_state(50, epoch="e2"), recent=0)
        assert reset
        assert after.at == Position("e2", 30)

    def test_head_before_the_held_position_is_a_reset(self) -> None:
        assert message_stream.resume(at(9), room_state(4), recent=0)[1]


@given(st.lists(st.integers(1, 30), max_size=80), st.data())
def test_any_order_of_pushes_acks_and_pages_is_passed_on_in_order_and_once(
    pushes: list[int], data: st.DataObject
) -> None:
    current, passed = at(0), []
    for offset in pushes:
        take = data.draw(st.sampled_from([message_stream.take_push, message_stream.take_ack]))
        current, new = take(current, message(offset))
        passed += offsets(new)
        if current.needs_page and data.draw(st.booleans()):
            page = [message(number) for number in range(current.at.offset + 1, current.at.offset + 4)]
            current, new, missing = message_stream.take_page(current, page)
            passed += offsets(new)
            assert not missing
    assert passed == list(range(1, len(passed) + 1))
