"""Rows of what became of a message: edited, deleted, answered, reacted to, pinned."""

from datetime import UTC

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import Message, Reaction
from client.screen.layout.message_blocks import MessageBlocks
from client.screen.layout.message_rows import RowStyle, message_rows
from client.screen.layout.spans import Row, SpanRole, text_of
from client.screen.layout.viewport import Viewport, at_bottom
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.scroll_position import message_key
from client.text.line_wrap import width_of
from client.text.sanitize import is_dangerous
from tests.unit.client.world import ME, message

STYLE = RowStyle(60, ME, zone=UTC)
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07\r\n\t\u202e\u2066\u0301\ufe0f\u200d👍[]")), max_size=60
)


def changed(offset: int = 1, **fields: object) -> Message:
    return msgspec.structs.replace(message(offset), rev=1, **fields)


def texts(rows: list[Row]) -> list[str]:
    return [text_of(row) for row in rows]


def reaction(emoji: str, *by: str) -> Reaction:
    return Reaction(emoji=emoji, n=len(by), by=by)


def test_edited_message_says_so_after_its_text() -> None:
    (row,) = message_rows(changed(edited="2026-11-23T10:05:00.000Z"), STYLE)
    assert text_of(row) == "10:00          bob  │ message 1  edited"
    assert row[-1].role is SpanRole.MARK


def test_edited_mark_gets_a_row_of_its_own_when_the_text_fills_the_last_one() -> None:
    content = "x" * STYLE.text_columns
    rows = texts(message_rows(changed(content=content, edited="2026-11-23T10:05:00.000Z"), STYLE))
    assert [row[20:] for row in rows] == [f"│ {content}", "└ edited"]


def test_deleted_message_keeps_its_place_and_names_who_deleted_it_unless_it_was_the_author() -> None:
    for by, shown in (("bob", "deleted"), ("eve", "deleted by eve"), ("", "deleted")):
        (row,) = message_rows(changed(content="", deleted=True, by=by), STYLE)
        assert text_of(row) == f"10:00          bob  └ {shown}"


def test_deleted_message_shows_nothing_else() -> None:
    gone = changed(content="", deleted=True, by="bob", reply_to=1, replies=2, edited="x", pinned=True)
    assert len(message_rows(gone, STYLE)) == 1


def test_reactions_are_counted_below_the_text_and_own_ones_have_a_star() -> None:
    rows = message_rows(changed(reactions=(reaction("👍", "eve", "bob"), reaction("🎉", ME))), STYLE)
    assert texts(rows)[1] == "                    └ 👍 2  *🎉 1"
    assert [span.role for span in rows[1] if "🎉" in span.text] == [SpanRole.OWN]


def test_replies_and_pin_are_said_in_words_after_the_reactions() -> None:
    rows = texts(message_rows(changed(reactions=(reaction("👍", "eve"),), replies=2, pinned=True), STYLE))
    assert rows[1][20:] == "└ 👍 1  2 replies  pinned"
    assert texts(message_rows(changed(replies=1), STYLE))[1][20:] == "└ 1 reply"


def test_reply_shows_the_first_words_of_the_message_that_it_answers() -> None:
    answered = msgspec.structs.replace(message(1, username="ada"), content="First words\nand others")
    rows = texts(message_rows(changed(2, reply_to=1), STYLE, answered))
    assert [row[20:] for row in rows] == ["┌ ↳ ada: First words", "│ message 2"]
    assert rows[0][:20].isspace()


def test_reply_to_a_message_that_is_not_loaded_says_so_and_to_a_deleted_one_too() -> None:
    reply = changed(2, reply_to=1)
    assert texts(message_rows(reply, STYLE))[0][20:] == "┌ ↳ a message before"
    gone = changed(1, content="", deleted=True, by="bob")
    assert texts(message_rows(reply, STYLE, gone))[0][20:] == "┌ ↳ bob: deleted"


def test_reply_to_a_message_of_the_user_is_marked_as_a_mention() -> None:
    reply = changed(2, reply_to=1)
    assert "@│" in texts(message_rows(reply, STYLE, message(1, username=ME)))[1]
    assert "@│" not in texts(message_rows(reply, STYLE, message(1, username="eve")))[1]


def test_mentions_that_the_server_names_decide_instead_of_the_text() -> None:
    def marked(content: str, *mentions: str) -> bool:
        return "@│" in texts(message_rows(changed(content=content, mentions=mentions), STYLE))[0]

    assert marked("all of you", "@room")
    assert marked("hi", ME)
    assert marked(f"hi {ME}")
    assert not marked(f"hi {ME}", "eve")


@given(st.lists(HOSTILE, max_size=20), HOSTILE, HOSTILE, st.integers(10, 100))
def test_marks_are_inert_and_not_wider_than_the_screen(
    emoji: list[str], username: str, text: str, columns: int
) -> None:
    style = RowStyle(columns, ME)
    whole = changed(2, reactions=tuple(reaction(name, ME) for name in emoji), reply_to=1, replies=7, edited="x")
    answered = msgspec.structs.replace(message(1, username=username), content=text)
    for row in (*message_rows(whole, style, answered), *message_rows(changed(deleted=True, by=username), style)):
        if row[2].role is SpanRole.BAR or row[1].role is SpanRole.BAR:
            assert not any(map(is_dangerous, text_of(row)))
    for row in message_rows(whole, style, answered):
        assert width_of(text_of(row)) <= max(columns, 26)


@given(HOSTILE)
def test_no_text_can_imitate_the_bars_of_marks(content: str) -> None:
    for row in message_rows(msgspec.structs.replace(message(1), content=content), STYLE):
        assert next(span.text for span in row if span.role is SpanRole.BAR) == "│ "


def test_selected_message_has_a_thick_bar_in_all_of_its_rows() -> None:
    room = RoomModel("general")
    room.log.add([message(1), changed(2, reply_to=1, pinned=True)])
    blocks = MessageBlocks(room, STYLE)
    drawn, _ = at_bottom(Viewport().rows(blocks, 3), 3, message_key(2))
    assert [text_of(row)[20] for row in drawn] == ["┏", "┃", "┗"]


def test_changed_message_is_drawn_again_with_the_same_row_at_the_top() -> None:
    room = RoomModel("general")
    room.log.add(message(offset) for offset in range(1, 30))
    blocks, view = MessageBlocks(room, STYLE), Viewport()
    view.scroll(blocks, 5, -10)
    before = view.rows(blocks, 5)
    room.change_message(changed(before[1].key.number, reactions=(reaction("👍", "eve"),)), ME)
    room.change_message(changed(1, content="much\nlonger\nthan\nbefore"), ME)
    blocks.show(room, STYLE)
    after = view.rows(blocks, 5)
    assert after[0] == before[0]
    assert "👍 1" in text_of(after[2].row)


def test_reply_is_drawn_again_when_the_message_that_it_answers_is_loaded_or_changes() -> None:
    room = RoomModel("general")
    room.log.add([changed(5, reply_to=3)])
    blocks = MessageBlocks(room, STYLE)

    def first_row() -> str:
        blocks.show(room, STYLE)
        return next(text_of(row)[22:] for row in blocks.rows(blocks.index_of(message_key(5))) if row[0].text.isspace())

    assert first_row() == "↳ a message before"
    room.add_page([message(3), message(4)])
    assert first_row() == "↳ bob: message 3"
    room.change_message(changed(3, content="other words"), ME)
    assert first_row() == "↳ bob: other words"
