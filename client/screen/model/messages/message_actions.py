"""What the user does with a message: edit, delete, react, reply, pin, go to it. Pure.

Functions that return a sentence did nothing, and say why; an empty one means that it is done.
"""

from collections.abc import Iterator

from chatterbox.wire import frames
from client.core.events import CommandRequested
from client.screen.input.pasted_text import clean
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.compose_mode import Editing, EditingUnsent, Replying
from client.screen.model.messages.message_list import MessageList
from client.screen.model.messages.own_reactions import is_own
from client.screen.model.rooms.room_model import RoomModel
from client.text.note_text import clock
from client.text.sanitize import inert

DELETED = "This message was deleted."
OFFLINE = "Not connected. Try again once the connection is back."


def edit(model: ChatModel, message: frames.Message) -> str:
    """Put the text of a message into the input, to replace it."""
    if message.username != model.status.username:
        return f"Only {inert(message.username)} can edit this message."
    if message.deleted:
        return DELETED
    content = clean(message.content)
    model.room.input.begin_edit(Editing(message.at.offset, message.rev, content), content)
    return ""


def edit_last(model: ChatModel) -> str:
    """Edit the user's last message of what is shown: one that waits in the outbox, else a stored one."""
    shown = model.shown
    if shown.outbox:
        entry = shown.outbox[-1]
        model.room.input.begin_edit(EditingUnsent(entry.key, entry.content), entry.content)
        return ""
    for offset in reversed(shown.log.offsets):
        message = shown.log[offset]
        if message.username == model.status.username and not message.deleted:
            return edit(model, message)
    return "None of your messages is loaded here."


def send_edit(model: ChatModel, mode: Editing, text: str) -> bool:
    """Replace the text of a message; False if the text should stay in the input."""
    room = model.room
    if not text.strip():
        model.notice("A message can't be empty. To delete it, leave the edit and select it.")
        return False
    room.input.history.add(text)
    room.input.leave_mode()
    if text != mode.content:
        room.input.note_edit(mode)
        command = frames.Edit(id=0, room=room.name, offset=mode.offset, content=text, rev=mode.rev)
        model.request(CommandRequested(command))
    return True


def refuse_edit(model: ChatModel, command: frames.Edit, sentence: str, *, changed: bool) -> None:
    """The server refused an edit: put the text back into the input, and say why.

    `changed`: the message has changed since the user saw it. If its text has not, the edit is sent again.
    """
    room = model.ensure_room(command.room)
    seen, held = room.input.finish_edit(command.offset), room.held(command.offset)
    if changed and held is not None and held.rev > (command.rev or 0) and clean(held.content) == seen:
        room.input.note_edit(Editing(command.offset, held.rev, seen))
        again = frames.Edit(id=0, room=room.name, offset=command.offset, content=command.content, rev=held.rev)
        model.request(CommandRequested(again))
        return
    if held is None or held.deleted or room.input.mode is not None:
        room.input.return_unsent(command.content)
        model.notice(f"NOT CHANGED: {sentence} Your text is in the input.", room.name)
        return
    room.input.begin_edit(Editing(command.offset, held.rev, clean(held.content)), command.content)
    if changed:  # a notice must not repeat the text: it would stay when the message is erased
        why = f"Your message of {clock(held.timestamp)} was changed meanwhile; the log shows it as it is now."
        model.notice(f"NOT CHANGED: {why} Your text is in the input: Enter replaces it, Esc leaves it.", room.name)
    else:
        model.notice(f"NOT CHANGED: {sentence} Your text is in the input.", room.name)


def reply(model: ChatModel, message: frames.Message) -> str:
    """Answer a message with what is in the input."""
    if message.deleted:
        return DELETED
    model.room.input.begin_reply(Replying(message.at.offset))
    return ""


def delete(model: ChatModel, message: frames.Message) -> None:
    """Erase a message."""
    model.request(CommandRequested(frames.DeleteMessage(id=0, room=message.room, offset=message.at.offset)))


def react(model: ChatModel, message: frames.Message, emoji: str) -> None:
    """React to a message; a second time takes it back."""
    remove = has_reacted(model, message, emoji)
    if not remove:
        model.use_emoji(emoji)
    command = frames.React(id=0, room=message.room, offset=message.at.offset, emoji=emoji, remove=remove)
    model.request(CommandRequested(command))


def has_reacted(model: ChatModel, message: frames.Message, emoji: str) -> bool:
    """Whether the user reacted with `emoji`, as far as that is known."""
    me, own = model.status.username, model.ensure_room(message.room).own_reactions.of(message.at.offset)
    return any(reaction.emoji == emoji and is_own(reaction, me, own) for reaction in message.reactions)


def pin(model: ChatModel, message: frames.Message) -> str:
    """Pin a message, or unpin it."""
    if message.deleted:
        return DELETED
    command = frames.Pin(id=0, room=message.room, offset=message.at.offset, remove=message.pinned)
    model.request(CommandRequested(command))
    return ""


def open_thread(model: ChatModel, message: frames.Message) -> str:
    """Open the thread that a message is in, or the empty one that it can begin."""
    if message.deleted and not (message.thread or message.replies):
        return DELETED
    model.open_thread(message.thread or message.at.offset)
    return ""


def list_pins(model: ChatModel) -> MessageList:
    """List the pinned messages of the open room."""
    return _listed(model, MessageList.of_pins(model.room.name, _loaded(model.room)))


def list_requested(model: ChatModel, request: frames.ReadHistory) -> None:
    """Show what a slash command requests: the pins of a room, or a thread."""
    if isinstance(request.thread, int):
        model.open_room(request.room)
        model.open_thread(request.thread)
        return
    _listed(model, MessageList.of_pins(request.room, _loaded(model.ensure_room(request.room, member=False))))
    model.open_listing()


def _loaded(room: RoomModel) -> Iterator[frames.Message]:
    return (room.log[offset] for offset in room.log.offsets)


def _listed(model: ChatModel, listing: MessageList) -> MessageList:
    """Request the messages of a listing from the server; until then, it has those that are loaded."""
    model.show_listing(listing)
    if model.status.live:
        model.request(CommandRequested(listing.request))
    else:
        listing.refuse("Not connected: only what is loaded is listed.")
    return listing


def go_to(model: ChatModel, offset: int) -> str:
    """Show the message at `offset`; load it first if necessary."""
    if offset not in model.shown.log and offset not in model.room.log and not (model.status.live and model.room.member):
        return "This message is not loaded. " + OFFLINE
    model.go_to(offset)
    return ""
