"""Screen state between two runs."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.compose_mode import Editing
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.world import message


def test_restored_state_has_theme_read_marker_draft_history_and_messages() -> None:
    before = ChatModel("http://x", "general")
    before.status.log_in("alice")
    before.room.add_page([message(1), message(2)])
    before.room.progress.marker.set_read(2)
    before.room.input.set_draft("half")
    before.room.input.history.add("sent")
    after = ChatModel("http://x", "general")
    assert restore_state(after, encode_state(before, "light")) == "light"
    assert (after.room.progress.marker.read, after.room.input.draft, after.room.input.history.texts) == (
        2,
        "half",
        ["sent"],
    )
    assert [after.room.log[offset] for offset in after.room.log.offsets] == [message(1), message(2)]


def test_unread_messages_are_counted_before_there_is_a_connection() -> None:
    before = ChatModel("http://x", "general")
    before.ensure_room("ops").add_page([message(offset, room="ops") for offset in (1, 2, 3)])
    before.ensure_room("ops").progress.marker.set_read(1)
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert (after.rooms["ops"].unread, after.rooms["ops"].unread_line) == (2, 1)


def test_draft_is_saved_while_an_older_text_is_shown() -> None:
    before = ChatModel("http://x", "general")
    before.room.input.history.add("sent")
    before.room.input.set_draft(before.room.input.history.previous("half") or "")
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert after.room.input.draft == "half"


@given(st.binary(max_size=60))
def test_damaged_state_file_is_ignored(data: bytes) -> None:
    assert restore_state(ChatModel("http://x", "general"), data) == ""


def test_restored_state_has_the_rev_of_each_room_and_the_emoji_used_last() -> None:
    before = ChatModel("http://x", "general")
    before.room.add_page([message(1)])
    before.directory.set_revs({"general": 7, "elsewhere": 3})
    before.use_emoji("🎉")
    before.use_emoji("🚀")
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert (after.room.rev, after.recent_emoji) == (7, ["🚀", "🎉"])
    assert "elsewhere" not in after.rooms


def test_messages_of_a_room_that_the_user_left_are_not_saved_since_their_deletion_would_not_be_told() -> None:
    before = ChatModel("http://x", "general")
    before.room.add_page([message(1)])
    before.room.input.set_draft("half")
    before.room.set_member(False)
    data = encode_state(before)
    assert b"half" in data
    assert b"message 1" not in data


def test_text_of_an_edit_is_found_in_the_input_history_of_the_next_run_and_the_draft_in_the_input() -> None:
    before = ChatModel("http://x", "general")
    before.room.input.set_draft("half")
    before.room.input.begin_edit(Editing(1, 0, "before"), "after")
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert (after.room.input.draft, after.room.input.history.texts) == ("half", ["after"])
