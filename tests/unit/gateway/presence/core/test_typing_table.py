"""Who is typing: from the first signal until the last is eight seconds old, or the message is there."""

from services.gateway.presence.core.typing_table import TypingTable, shown

ROOM, OTHER = 7, 8


def table() -> TypingTable:
    return TypingTable(every_s=4, for_s=8)


def test_a_user_is_typing_for_eight_seconds_after_the_last_signal() -> None:
    found = table()
    found.note(ROOM, "ada", 0)
    found.note(ROOM, "ada", 4)
    found.expire(11.9)
    assert list(found.who(ROOM)) == ["ada"]
    found.expire(12)
    assert list(found.who(ROOM)) == []
    assert found.rooms == {}


def test_who_began_first_is_named_first_however_often_others_repeat() -> None:
    found = table()
    for username in ("bob", "ada", "bob"):
        found.note(ROOM, username, 0)
    assert list(found.who(ROOM)) == ["bob", "ada"]


def test_only_who_begins_or_ends_changes_a_room() -> None:
    found = table()
    found.note(ROOM, "ada", 0)
    assert found.changed == {ROOM}
    found.changed.clear()
    found.note(ROOM, "ada", 4)
    found.end(ROOM, "bob")
    found.end(OTHER, "ada")
    assert found.changed == set()
    found.end(ROOM, "ada")
    assert found.changed == {ROOM}


def test_other_gateways_are_told_once_in_four_seconds_and_again_after_a_message() -> None:
    found = table()
    assert found.is_due(ROOM, "ada", 0)
    found.note(ROOM, "ada", 0)
    assert not found.is_due(ROOM, "ada", 3)
    assert found.is_due(OTHER, "ada", 3)
    assert found.is_due(ROOM, "ada", 3.98), "a client's timer may be a little early"
    found.end(ROOM, "ada")
    assert found.is_due(ROOM, "ada", 4.1)


def test_a_user_can_end_everywhere() -> None:
    found = table()
    for room_id in (ROOM, OTHER):
        found.note(room_id, "ada", 0)
        found.note(room_id, "bob", 0)
    found.end_everywhere("ada")
    assert [list(found.who(room_id)) for room_id in (ROOM, OTHER)] == [["bob"], ["bob"]]


def test_nothing_is_kept_of_who_has_ended() -> None:
    found = table()
    for number in range(1000):
        assert found.is_due(ROOM, str(number), 0)
        found.note(ROOM, str(number), 0)
    found.expire(8)
    assert not any((found.rooms, found._published_s))


def test_one_is_not_told_that_one_is_typing_oneself() -> None:
    assert shown(["ada"], "ada") == ((), 0)
    assert shown(list("abcdefgh"), "b") == (("a", "c", "d", "e", "f"), 2)
