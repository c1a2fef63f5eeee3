"""What happened to messages, as sentences and marks for people, the same in every face. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from chatterbox.wire import frames
from chatterbox.wire.frames import Message, Reaction
from client.core.notes import MessageChanged
from client.text.local_time import time_of
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name


def changes_of(old: Message, new: Message, by: str = "", username: str = "") -> Iterator[str]:
    """A sentence for each change of a message but reactions and replies; `by`: who did it, if known.

    `username` is the reader's.
    """
    at = when(new.timestamp)
    if new.deleted:
        if not old.deleted:
            yield f"{_who(new.by or by or new.username, username)} deleted {_message(at, new, new.by or by, username)}"
        return
    if new.content != old.content:
        yield f"{_who(new.username, username)} changed {at}: {inert(new.content)}"
    if new.pinned != old.pinned:
        done = "pinned" if new.pinned else "unpinned"
        yield f"{_who(by, username)} {done} {_message(at, new, by, username)}: {inert(new.content)}"


def change_line(note: MessageChanged) -> str:
    """What happened to a message of which no older version is held: who did what, else how the message is now."""
    message, at = note.message, when(note.message.timestamp)
    who, author = _who(note.by, ""), inert_name(message.username)
    where = f"{at} by {author} in {shown_room(message.room)}"
    if message.deleted:
        return f"{_who(message.by or message.username, '')} deleted {where}"
    match note.did:
        case "edit":
            return f"{who} changed {where}: {inert(message.content)}"
        case "react":
            return f"{who} reacted {inert_name(note.what)} to {where}"
        case "unreact":
            return f"{who} took back {inert_name(note.what)} from {where}"
        case "pin" | "unpin":
            return f"{who} {note.did}ned {where}"
        case "reply":
            return f"{who} answered {where}"
        case _:
            return f"Now {where}{marks_of(message)}: {inert(message.content)}"


def _who(name: str, username: str) -> str:
    if not name:
        return "Someone"
    return "You" if name == username else inert_name(name)


def _message(at: str, message: Message, by: str, username: str) -> str:
    """The message by its time, with its author if another user did it."""
    if not by or by == message.username:
        return at
    return f"your message of {at}" if message.username == username else f"{at} by {inert_name(message.username)}"


def when(timestamp: str, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """The local time of a message, with its date if that is not today."""
    at = time_of(timestamp, zone)
    if at is None:
        return "--:--"
    today = (now or datetime.now(at.tzinfo)).date()
    return f"{at:%H:%M}" if at.date() == today else f"{at:%H:%M} on {at.day} {at:%B}"


def reactions_text(reactions: Iterable[Reaction]) -> str:
    """Reactions with their counts.

    >>> reactions_text([Reaction(emoji="👍", n=2, by=("ada", "eve")), Reaction(emoji="🎉", n=1, by=("eve",))])
    '👍 2 🎉 1'
    """
    return " ".join(f"{inert_name(reaction.emoji)} {reaction.n}" for reaction in reactions)


def reactions_line(messages: Iterable[Message], room: str | None) -> str:
    """The reactions to the reader's own messages; `room` is the open one, which is not named."""
    parts = []
    for message in messages:
        where = "" if message.room == room else f" in {shown_room(message.room)}"
        parts.append(f"{when(message.timestamp)}{where} {reactions_text(message.reactions) or '(none left)'}")
    return f"Reactions to your messages: {', '.join(parts)}"


def marks_of(message: Message) -> str:
    """What became of a message, in parentheses behind its author's name; empty for one that is as it was sent.

    An author can't imitate it: their own text begins after the colon.
    """
    if message.deleted:
        by = f" by {inert_name(message.by)}" if message.by not in {"", message.username} else ""
        return f" (deleted{by})"
    facts = [*(["edited"] if message.edited else []), *(["pinned"] if message.pinned else [])]
    if message.replies:
        facts.append("1 reply" if message.replies == 1 else f"{message.replies} replies")
    if message.reactions:
        facts.append(reactions_text(message.reactions))
    return f" ({', '.join(facts)})" if facts else ""


def answers(message: Message, original: Message | None) -> str:
    """Whom a message answers, behind its author's name; empty if it answers none. `original`: if it is held."""
    if not message.reply_to:
        return ""
    return f", in reply to {inert_name(original.username)}" if original else f", in reply to #{message.reply_to}"


def done_line(command: frames.Command) -> str | None:
    """Confirm a change of a message that the server stored; None for other commands."""
    match command:
        case frames.Edit(room=room, offset=offset):
            return f"Changed message #{offset} in {shown_room(room)}."
        case frames.DeleteMessage(room=room, offset=offset):
            return f"Deleted message #{offset} in {shown_room(room)}."
        case frames.React(room=room, offset=offset, emoji=emoji, remove=remove):
            done = "Took back the reaction" if remove else "Reacted"
            return f"{done} {inert_name(emoji)} to message #{offset} in {shown_room(room)}."
        case frames.Pin(room=room, offset=offset, remove=remove):
            return f"{'Unpinned' if remove else 'Pinned'} message #{offset} in {shown_room(room)}."
        case _:
            return None
