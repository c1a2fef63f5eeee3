"""One room's messages in order, each once, with no hole passed over."""

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
    def test_the_next_message_is_passed_on(self) -> None:
        after, passed = message_stream.take_push(at(4), message(5))
        assert (after.at.offset, offsets(passed)) == (5, [5])

    def test_a_message_that_was_shown_is_dropped(self) -> None:
        assert message_stream.take_push(at(4), message(4)) == (at(4), [])

    def test_one_beyond_the_next_waits_and_asks_for_a_page(self) -> None:
        after, passed = message_stream.take_push(at(4), message(7))
        assert not passed
        assert after.needs_page
        assert after.due == 6

    def test_what_waited_comes_after_the_hole_is_filled(self) -> None:
        held, _ = message_stream.take_push(at(4), message(7))
        after, passed, missing = message_stream.take_page(held, [message(5), message(6)])
        assert (offsets(passed), missing, after.needs_page) == ([5, 6, 7], 0, False)

    def test_too_many_that_wait_are_read_from_history_instead(self) -> None:
        waiting = at(0)
        for offset in range(2, message_stream.HELD_LIMIT + 12):
            waiting, _ = message_stream.take_push(waiting, message(offset))
        assert len(waiting.held) == message_stream.HELD_LIMIT
        assert waiting.due == message_stream.HELD_LIMIT + 11


class TestPages:
    def test_a_page_that_ends_before_the_hole_does_asks_for_another(self) -> None:
        after, _, missing = message_stream.take_page(at(0, due=10), [message(1), message(2)])
        assert after.needs_page
        assert missing == 0

    def test_an_empty_page_says_that_there_is_nothing(self) -> None:
        after, passed, missing = message_stream.take_page(at(4, due=6), [])
        assert (after.at.offset, passed, missing) == (6, [], 2)

    def test_a_hole_in_history_is_counted(self) -> None:
        _, passed, missing = message_stream.take_page(at(4, due=9), [message(5), message(8)])
        assert (offsets(passed), missing) == ([5, 8], 2)


class TestAcks:
    def test_ones_own_message_shows_by_its_ack_and_not_again_by_its_push(self) -> None:
        after, passed = message_stream.take_ack(at(4), message(5))
        assert offsets(passed) == [5]
        assert message_stream.take_push(after, message(5))[1] == []

    def test_an_ack_that_overtakes_pushes_waits_without_asking_for_a_page(self) -> None:
        waiting, passed = message_stream.take_ack(at(4), message(6))
        assert not passed
        assert not waiting.needs_page
        assert offsets(message_stream.take_push(waiting, message(5))[1]) == [5, 6]

    def test_an_ack_of_another_epoch_shows_nothing(self) -> None:
        assert message_stream.take_ack(at(4), message(5, epoch="e2")) == (at(4), [])


class TestWelcome:
    def test_goes_on_from_the_position_held(self) -> None:
        after, reset = message_stream.resume(at(4), room_state(4, head=9), recent=0)
        assert (after.at.offset, after.to_go, after.needs_page, reset) == (4, 5, False, False)

    def test_reads_what_the_server_will_not_push(self) -> None:
        after, _ = message_stream.resume(at(4), room_state(9), recent=0)
        assert after.needs_page
        assert after.to_go == 5

    def test_a_new_room_begins_a_few_messages_back(self) -> None:
        after, _ = message_stream.resume(None, room_state(30), recent=10)
        assert (after.at.offset, after.due, after.target) == (20, 30, None)

    def test_another_epoch_is_a_reset(self) -> None:
        after, reset = message_stream.resume(at(4), room_state(50, epoch="e2"), recent=0)
        assert reset
        assert after.at == Position("e2", 30)

    def test_a_head_before_the_position_held_is_a_reset(self) -> None:
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
