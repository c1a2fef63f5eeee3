"""Notes as sentences for people. Pure; whatever comes from others is made inert here."""

from datetime import datetime, tzinfo
from difflib import get_close_matches

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.core import notes
from client.text.sanitize import inert, inert_name

AT_ONCE_S = 0.1
NOT_SENT = "NOT SENT"
"""What a sentence about a message begins with that nobody will get."""


def sentence(note: notes.Note, server: str) -> str | None:
    """Say what happened; None for what shows itself (messages) or is not worth a line."""
    match note:
        case notes.Connecting():
            return f"Connecting to {inert(server)} ..."
        case notes.WelcomeReceived():
            return _connected(note)
        case notes.Disconnected():
            return _cut(note, server)
        case notes.CatchingUp(room, to_go):
            return f"Catching up in #{inert_name(room)}: {messages(to_go)} to go."
        case notes.CaughtUp(room):
            return f"Caught up in #{inert_name(room)}."
        case notes.RoomReset(room, at):
            return (
                f"The history of #{inert_name(room)} was restored on the server: messages that you have seen may be "
                f"gone. Reading on after message {at.offset}."
            )
        case notes.MessagesMissing(room, count):
            return f"The server can't give {messages(count)} of #{inert_name(room)} that stood here."
        case notes.RoomGone(room):
            why = "you left it elsewhere, or the server lost it when a backup was restored"
            return f"You are no longer in #{inert_name(room)}: {why}."
        case notes.MembershipChange(membership):
            return _changed(membership)
        case notes.TopicChange(room, topic, by) if by is not None:
            return f"{inert_name(by)} {_said_topic(inert_name(room), inert(topic))}"
        case _:
            return _about_messages(note) or _about_commands(note)


def _connected(note: notes.WelcomeReceived) -> str:
    hello = "Connected again." if note.again else f"Connected as {inert_name(note.username)}."
    return f"{hello} Sending {messages(note.unsent)} from the outbox." if note.unsent else hello


def _cut(note: notes.Disconnected, server: str) -> str | None:
    if note.known:
        return None
    kept = f" {messages(note.unsent).capitalize()} not sent yet: kept in the outbox." if note.unsent else ""
    why = inert(note.why).rstrip(".")
    what = "Connection lost" if note.was_live else f"Can't reach {inert(server)}"
    return f"{what}: {why}. {_next_try(note.retry_s)}.{kept}"


def _changed(membership: frames.Membership) -> str:
    by = f", invited by {inert_name(membership.by)}" if membership.by and membership.by != membership.username else ""
    name, room = inert_name(membership.username), inert_name(membership.room)
    return f"{name} is in #{room} now{by}." if membership.member else f"{name} left #{room}."


def _said_topic(room: str, topic: str) -> str:
    return f"says what #{room} is about: {topic}" if topic else f"took away the topic of #{room}."


def _about_messages(note: notes.Note) -> str | None:
    match note:
        case notes.QueuedOffline(entry):
            return f"Not sent yet, kept in the outbox for #{inert_name(entry.room)}: {inert(entry.content)}"
        case notes.SendDelayed(_, detail, retry_s):
            return f"{inert(detail)} Your message waits; next try in {_wait(retry_s)}."
        case notes.SendFailed(entry, _, detail):
            return f"{NOT_SENT} to #{inert_name(entry.room)}: {inert(detail)} It was: {inert(entry.content)}"
    return None


def _about_commands(note: notes.Note) -> str | None:
    match note:
        case notes.CommandRefused(frames.SetTopic(), Code.BAD_FRAME, _):
            return "This server knows no topics: it is of an earlier version than this program."
        case notes.CommandRefused(frames.Leave(room=room), Code.ROOM_FOR_ALL, _):
            return f"Everybody is a member of #{inert_name(room)}; nobody leaves it."
        case notes.CommandRefused(frames.Leave(room=room), Code.NOT_A_MEMBER, _):
            return f"You are not in #{inert_name(room)}."
        case notes.CommandRefused(_, _, detail) | notes.ServerError(detail):
            return inert(detail)
        case notes.CommandAnswered(_, frames.Created(room=room, private=private)):
            return f"Room #{inert_name(room)} is made{', for those who are invited' if private else ''}."
        case notes.CommandAnswered(_, frames.Invited(room=room, username=username)):
            return f"{inert_name(username)} is in #{inert_name(room)} now."
        case notes.CommandAnswered(_, frames.Left(room=room)):
            return f"You left #{inert_name(room)}."
        case notes.CommandAnswered(_, frames.TopicSet(room=room, topic=topic)):
            return topic_line(room, topic)
        case notes.SessionOver(code, why) if code is not None:
            return inert(why)
    return None


def topic_line(room: str, topic: str) -> str:
    """What a room is about.

    >>> topic_line("ops", "engines"), topic_line("dev", "")
    ('#ops is about: engines', '#dev has no topic.')
    """
    return f"#{inert_name(room)} is about: {inert(topic)}" if topic else f"#{inert_name(room)} has no topic."


def room_lines(rooms: list[frames.RoomSummary]) -> list[str]:
    """A table of rooms: those that one is in first, each with what is worth knowing."""
    names = [f"#{inert_name(room.room)}" for room in rooms]
    widest = max(map(len, names), default=0)
    rows = sorted(zip(rooms, names, strict=True), key=lambda row: (not row[0].member, row[0].room))
    return [f"{name:<{widest}}  {_facts(room)}" for room, name in rows]


def _facts(room: frames.RoomSummary) -> str:
    people = "1 person" if room.members == 1 else f"{room.members} people"
    kind = "private, " if room.private else ""
    topic = f": {inert(room.topic)}" if room.topic else ""
    return f"{kind}{people}, {messages(room.at.offset)}{'' if room.member else ' (not joined)'}{topic}"


def time_of(timestamp: str, zone: tzinfo | None = None) -> datetime | None:
    """The local time of a message; None if the server's timestamp is none."""
    try:
        return datetime.fromisoformat(timestamp).astimezone(zone)
    except (ValueError, OverflowError):
        return None


def clock(timestamp: str) -> str:
    """The local hour and minute of a message."""
    at = time_of(timestamp)
    return f"{at:%H:%M}" if at else "--:--"


def no_such_room(name: str, known: list[str], *, join: str = "", create: str = "", left: bool = False) -> str:
    """Say that a room does not exist, and what was probably meant; `join` and `create` are commands to type, if any.

    `left`: it is one that one was in. Whether it is private now, or lost, the server tells only those who are in it.
    """
    sentence = f"There is no room #{inert_name(name)} that you may see."
    if left:
        again = f"again: {create} {inert_name(name)}" if create else "again."
        way = f"somebody in it must invite you again; if the server has lost it, it can be made {again}"
        return f"{sentence} If you left it, {way}"
    if (found := meant(name, known)) is not None:
        guess = inert_name(found)
        return f"{sentence} Did you mean #{guess}?" + (f" {join} {guess}" if join else "")
    return f"{sentence} To make it: {create} {inert_name(name)}" if create else sentence


def meant(name: str, known: list[str]) -> str | None:
    """The known name that `name` was probably meant to be.

    >>> meant("genral", ["general", "ops"])
    'general'
    """
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)


def names_line(names: list[str]) -> str:
    """People, one after another."""
    return ", ".join(map(inert_name, names))


def new_in(counts: dict[str, int]) -> str:
    """How much is new in which rooms.

    >>> new_in({"ops": 3, "dev": 1})
    '3 new in #ops, 1 new in #dev'
    """
    return ", ".join(f"{count} new in #{inert_name(room)}" for room, count in counts.items())


def not_shown(room: str, dropped: int, shown: int) -> str:
    """Say what stands before the messages that are shown, and how to read it.

    >>> not_shown("ops", 180, 20)
    'Before these came 180 messages. To read them: chatterbox tail ops --recent 200'
    """
    command = f"chatterbox tail {inert_name(room)} --recent {dropped + shown}"
    return f"Before these came {messages(dropped)}. To read them: {command}"


def messages(count: int) -> str:
    """So many messages, in words."""
    return "1 message" if count == 1 else f"{count} messages"


def _next_try(seconds: float) -> str:
    return "Retrying at once" if seconds < AT_ONCE_S else f"Retrying in {_wait(seconds)}"


def _wait(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 1 else f"{round(seconds)} s"
