"""The client's own lines in a room: where they stay when messages come and go."""

from client.screen.model.rooms.room_notices import LIMIT, RoomNotices


def test_equal_lines_in_a_row_are_shown_once() -> None:
    notices = RoomNotices()
    for text in ("a", "a", "b", "a"):
        notices.add(text, last=3)
    assert list(notices.below(3)) == ["a", "b", "a"]


def test_oldest_lines_are_dropped_when_there_are_too_many() -> None:
    notices = RoomNotices()
    for number in range(LIMIT + 2):
        notices.add(str(number), last=number)
    assert (notices.texts[0], len(notices.texts)) == ("2", LIMIT)
    assert notices.below(0) == ()


def test_lines_move_below_the_first_message_and_above_all_when_the_messages_are_gone() -> None:
    notices = RoomNotices()
    notices.add("connecting", last=0)
    notices.anchor(7)
    notices.add("later", last=9)
    assert (list(notices.below(7)), list(notices.below(0))) == (["connecting"], [])
    notices.release()
    assert list(notices.below(0)) == ["connecting", "later"]
