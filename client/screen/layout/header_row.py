"""The line above the timeline: room, topic and counts, or how the open thread began. Pure."""

from chatterbox.wire.text_rules import folded
from client.core.direct_rooms import is_direct, peer_of
from client.encryption.core.trust import DecryptedMessage, Trust
from client.screen.layout.message_marks import first_words
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.thread_model import ThreadModel
from client.text.encryption.encrypted_room_text import member_words
from client.text.encryption.encryption_text import header_words
from client.text.line_wrap import width_of
from client.text.room_text import shown_room
from client.text.sanitize import inert
from client.text.unread_text import shown_count

TRUST_MESSAGES = 50
"""How many messages are looked through for one by the other user."""
TOPIC_COLUMNS = 12
"""A topic that has less room (columns) is not shown."""


def heading(model: ChatModel, columns: int) -> Row:
    """Lay out the line above the timeline: room, topic, and at the right end its properties and counts."""
    room = model.room
    if model.thread is not None:
        return _thread_heading(room.name, model.thread, columns)
    private = room.private and not is_direct(room.name) and not model.is_encrypted(room.name)  # it is both
    facts = [fact for fact, holds in (("private", private), ("you are not in it", not room.member)) if holds]
    facts += encryption_facts(model)
    facts += [f"{len(room.active)} active"] if room.active else []
    facts += [f"{shown_count(room.unread)} unread"] if room.unread else []
    name, known = f" {shown_room(room.name)}", " · ".join(facts)
    left = columns - width_of(name) - width_of(known) - len("  ") - len("  ") - 1
    if not room.topic or left < TOPIC_COLUMNS:
        return (Span(name, SpanRole.TITLE), Span(f"  {known}", SpanRole.TIME))
    topic = fitting(inert(room.topic), left)
    gap = " " * (left - width_of(topic))
    return (Span(name, SpanRole.TITLE), Span(f"  {topic}{gap}", SpanRole.TEXT), Span(f"  {known}", SpanRole.TIME))


def encryption_facts(model: ChatModel) -> list[str]:
    """Whether the open room is encrypted, in words; of a conversation also how the other user's keys are known."""
    is_encrypted = model.is_encrypted(model.room.name)
    if is_encrypted is None:
        return []
    if is_encrypted and not is_direct(model.room.name):
        members = model.members.get(model.room.name)
        return ["encrypted", *([member_words(members, model.status.username)] if members else [])]
    known = model.trust.get(folded(peer_of(model.room.name))) if is_direct(model.room.name) else None
    trust, since = known or (_trust(model), "")
    return [header_words(trust, since, encrypted=is_encrypted)]


def _trust(model: ChatModel) -> Trust | None:
    """The same as of their last message."""
    log, me = model.room.log, model.status.username
    for offset in reversed(log.offsets[-TRUST_MESSAGES:]):
        message = log[offset]
        if isinstance(message, DecryptedMessage) and message.username != me and message.trust is not None:
            return message.trust
    return None


def _thread_heading(room: str, thread: ThreadModel, columns: int) -> Row:
    """Room, and how the thread began."""
    name, beginning = f" {shown_room(room)} › thread", thread.beginning  # noqa: RUF001 - a path
    what = "" if beginning is None else f"  {inert(beginning.username)}: {first_words(beginning)}"
    return (Span(name, SpanRole.TITLE), Span(fitting(what, columns - width_of(name)), SpanRole.TEXT))
