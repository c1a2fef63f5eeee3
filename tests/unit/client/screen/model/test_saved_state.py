"""Screen state between two runs."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.world import message


def test_restored_state_has_theme_read_marker_draft_history_and_messages() -> None:
    before = ChatModel("http://x", "general")
    before.status.log_in("alice")
    before.room.add_page([message(1), message(2)])
    before.room.marker.set_read(2)
    before.room.set_draft("half")
    before.room.history.add("sent")
    after = ChatModel("http://x", "general")
    assert restore_state(after, encode_state(before, "light")) == "light"
    assert (after.room.marker.read, after.room.draft, after.room.history.texts) == (2, "half", ["sent"])
    assert [after.room.log[offset] for offset in after.room.log.offsets] == [message(1), message(2)]


def test_unread_messages_are_counted_before_there_is_a_connection() -> None:
    before = ChatModel("http://x", "general")
    before.ensure_room("ops").add_page([message(offset, room="ops") for offset in (1, 2, 3)])
    before.ensure_room("ops").marker.set_read(1)
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert (after.rooms["ops"].unread, after.rooms["ops"].unread_line) == (2, 1)


def test_draft_is_saved_while_an_older_text_is_shown() -> None:
    before = ChatModel("http://x", "general")
    before.room.history.add("sent")
    before.room.set_draft(before.room.history.previous("half") or "")
    after = ChatModel("http://x", "general")
    restore_state(after, encode_state(before))
    assert after.room.draft == "half"


@given(st.binary(max_size=60))
def test_damaged_state_file_is_ignored(data: bytes) -> None:
    assert restore_state(ChatModel("http://x", "general"), data) == ""
