"""Messages and notices as lines."""

from datetime import UTC

import msgspec

from client.faces.line_timeline import LineTimeline
from tests.unit.client.world import message


def test_a_message_has_its_time_and_its_name() -> None:
    assert LineTimeline(zone=UTC).message(message(1))[-1] == "10:00 bob: message 1"


def test_a_new_day_is_said_once() -> None:
    timeline = LineTimeline(zone=UTC)
    first = timeline.message(message(1))
    assert first[0] == "-- Monday 23 November 2026"
    assert len(timeline.message(message(2))) == 1
    tomorrow = msgspec.structs.replace(message(3), timestamp="2026-11-24T00:00:00.000Z")
    assert timeline.message(tomorrow)[0] == "-- Tuesday 24 November 2026"


def test_a_name_is_inert_too() -> None:
    hostile = msgspec.structs.replace(message(1), username="bob\x1b[2J\nroot", timestamp="\x1b[2J")
    assert LineTimeline().message(hostile) == ["--:-- bob␛[2J␊root: message 1"]


def test_colours_are_ours_and_stand_before_what_was_said() -> None:
    (line,) = LineTimeline(colour=True, zone=UTC).message(msgspec.structs.replace(message(1), timestamp=""))
    assert line == "\x1b[2m--:--\x1b[0m \x1b[1mbob\x1b[0m: message 1"


def test_a_notice_can_not_be_taken_for_a_message() -> None:
    assert LineTimeline(columns=lambda: 24).notice("a longer word from us") == ["-- a longer word from", "   us"]
