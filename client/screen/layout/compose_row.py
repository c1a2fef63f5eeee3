"""The row above the input that says what it is for: an edit, a reply or a thread. Pure."""

from typing import assert_never

from client.screen.layout.message_marks import UNLOADED, first_words
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.compose_mode import ComposeMode, Editing, EditingUnsent, Replying
from client.text.line_wrap import width_of
from client.text.note_text import clock
from client.text.room_text import shown_room
from client.text.sanitize import inert


def mode_row(model: ChatModel, leave_key: str, columns: int, *, back_key: str = "") -> Row | None:
    """Say what the input is for, and how to leave that; None: for a new message of the room.

    `leave_key` leaves an edit or a reply, `back_key` a thread.
    """
    if (mode := model.room.input.mode) is not None:
        what, leave = _what(model, mode), f", {leave_key} leaves it" if leave_key else ""
    elif model.thread is not None:
        what = "replying in this thread"
        leave = f", {back_key} goes back to {shown_room(model.room.name)}" if back_key else ""
    else:
        return None
    what = fitting(f" {what}", max(columns // 2, columns - width_of(leave)))
    return (Span(fitting(what + leave, columns), SpanRole.WAITING),)


def _what(model: ChatModel, mode: ComposeMode) -> str:
    match mode:
        case Editing(offset):
            message = model.room.held(offset)
            return "editing" if message is None else f"editing your message of {clock(message.timestamp)}"
        case EditingUnsent():
            return "editing a message that is not sent yet"
        case Replying(offset):
            message = model.room.held(offset)
            what = UNLOADED if message is None else f"{inert(message.username)}: {first_words(message)}"
            return f"replying to {what}"
        case _:
            assert_never(mode)
