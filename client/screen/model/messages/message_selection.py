"""Message selection: moves it, and quotes or locates the selected message. Pure."""

from client.screen.model.chat_model import ChatModel
from client.screen.model.scroll_position import BlockKey, message_key
from client.text.file_text import summary
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_lines


def moved(model: ChatModel, by: int) -> BlockKey | None:
    """Return the message `by` positions after the selected one (before it if negative); None beyond the newest."""
    log, selected = model.shown.log, model.selected
    if selected is None or not log:
        return None
    index = log.index_at(selected.number) + by
    return message_key(log.offsets[max(0, index)]) if index < len(log) else None


def quoted(model: ChatModel) -> str:
    """Return the selected message as an inert quotation, with a line end; empty if there is none."""
    if (message := model.selected_message()) is None or message.deleted:
        return ""
    lines = inert_lines(summary(message.content, message.files))
    return "\n".join([f"> {inert(message.username)}: {lines[0]}", *(f"> {line}" for line in lines[1:]), ""])


def position_of(model: ChatModel) -> str:
    """Return room and position of the selected message, in the format of `chatterbox tail --since`."""
    message = model.selected_message()
    return f"{shown_room(message.room)} {inert(message.at.epoch)}:{message.at.offset}" if message else ""
