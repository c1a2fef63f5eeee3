"""The message that is selected: which one is next, and what can be taken from it. Pure."""

from client.screen.layout.message_blocks import BlockKey
from client.screen.model.chat_model import ChatModel
from client.text.sanitize import inert, inert_lines


def moved(model: ChatModel, by: int) -> BlockKey | None:
    """The message so many further; None beyond the newest."""
    log, selected = model.room.log, model.selected
    if selected is None or not log:
        return None
    index = log.index_at(selected.number) + by
    return BlockKey(1, log.offsets[max(0, index)]) if index < len(log) else None


def quoted(model: ChatModel) -> str:
    """The message as a quotation, ready to be answered; inert, since it comes from somebody else."""
    if (message := model.selected_message()) is None:
        return ""
    lines = inert_lines(message.content)
    return "\n".join([f"> {inert(message.username)}: {lines[0]}", *(f"> {line}" for line in lines[1:]), ""])


def place_of(model: ChatModel) -> str:
    """Where the message stands, as `chatterbox tail --since` reads it, after its room."""
    message = model.selected_message()
    return f"#{inert(message.room)} {inert(message.at.epoch)}:{message.at.offset}" if message else ""
