"""Messages and notices as lines."""

from datetime import UTC

import msgspec

from chatterbox.wire.frames import AttachedFile
from client.faces.line_timeline import LineTimeline
from client.text.file_text import download_command
from tests.unit.client.world import message


def test_message_line_has_time_and_name() -> None:
    assert LineTimeline(zone=UTC).message(message(1))[-1] == "10:00 bob: message 1"


def test_new_day_is_announced_once() -> None:
    timeline = LineTimeline(zone=UTC)
    first = timeline.message(message(1))
    assert first[0] == "-- Monday 23 November 2026"
    assert len(timeline.message(message(2))) == 1
    tomorrow = msgspec.structs.replace(message(3), timestamp="2026-11-24T00:00:00.000Z")
    assert timeline.message(tomorrow)[0] == "-- Tuesday 24 November 2026"


def test_name_in_a_message_line_is_inert() -> None:
    hostile = msgspec.structs.replace(message(1), username="bob\x1b[2J\nroot", timestamp="\x1b[2J")
    assert LineTimeline().message(hostile) == ["--:-- bob␛[2J␊root: message 1"]


def test_colours_stand_before_the_content_only() -> None:
    (line,) = LineTimeline(colour=True, zone=UTC).message(msgspec.structs.replace(message(1), timestamp=""))
    assert line == "\x1b[2m--:--\x1b[0m \x1b[1mbob\x1b[0m: message 1"


def test_wrapped_notice_keeps_its_mark_and_indent() -> None:
    assert LineTimeline(columns=lambda: 24).notice("a longer word from us") == ["-- a longer word from", "   us"]


def test_files_of_a_message_are_lines_with_what_saves_them() -> None:
    plan = AttachedFile(id="4f0c", name="plan.pdf", type="application/pdf", size=1536)
    with_text = msgspec.structs.replace(message(3), files=(plan,))
    only_file = msgspec.structs.replace(with_text, content="")
    timeline = LineTimeline(zone=UTC)
    _, *lines = timeline.message(with_text)
    assert lines == ["10:00 bob: message 3", "           file: plan.pdf (1.5 KiB), /save 3"]
    assert timeline.message(only_file) == ["10:00 bob: file: plan.pdf (1.5 KiB), /save 3"]
    in_tail = LineTimeline(zone=UTC, how_to_save=download_command)
    assert in_tail.message(only_file)[-1] == "10:00 bob: file: plan.pdf (1.5 KiB), chatterbox download 4f0c"
