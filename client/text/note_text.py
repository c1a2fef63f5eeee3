"""Notes as sentences for people, the same in every face. Pure; text from others is made inert here."""

from datetime import UTC, datetime, tzinfo
from typing import assert_never

from chatterbox.wire import frames, room_names
from chatterbox.wire.errors import Code
from chatterbox.wire.read_state import NotificationLevel
from client.core import notes
from client.core.direct_rooms import is_direct
from client.text.encryption.encrypted_room_text import created_words, invited_line
from client.text.file_text import summary
from client.text.local_time import time_of
from client.text.people_text import OLDER_SERVER, unknown_person, who_line, whois_lines
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name

RETRY_NOW_S = 0.1
"""Waits shorter than this are shown as "now"."""
NOT_SENT = "NOT SENT"
"""How a sentence about a message that will never be sent begins."""
_LEVELS = {
    NotificationLevel.CLIENT: "as configured in each client",
    NotificationLevel.ALL: "of every message",
    NotificationLevel.MENTIONS: "of mentions only",
    NotificationLevel.NONE: "of nothing",
}


def sentence(note: notes.Note, server: str, username: str = "") -> str | None:
    """Return a note as a sentence; None for messages, and for notes that need no line.

    `username` is the reader's: what they did themselves has a reply of its own, and no second sentence.
    """
    match note:
        case notes.Connecting():
            return f"Connecting to {inert(server)} ..."
        case notes.WelcomeReceived():
            return _connected(note)
        case notes.Disconnected():
            return _disconnected(note, server)
        case notes.CatchingUp(room, to_go):
            return f"Catching up in {shown_room(room)}: {messages(to_go)} to go."
        case notes.CaughtUp(room):
            return f"Caught up in {shown_room(room)}."
        case notes.RoomEntered(room):
            return f"You joined {shown_room(room)}."
        case notes.RoomReset(room, at):
            restored = f"The history of {shown_room(room)} was restored from a backup"
            return f"{restored}: messages that you have seen may be gone. Continuing after message {at.offset}."
        case notes.MessagesMissing(room, count):
            return f"The server could not return {messages(count)} of {shown_room(room)} at this point."
        case notes.RoomGone():
            return _gone(note)
        case notes.MembershipChange(membership, mine):
            return _membership(membership, username, mine=mine)
        case notes.TopicChange(room, topic, by):
            return _topic_change(room, topic, by) if by is not None and by != username else None
        case notes.InvitationReceived(room, by):
            return invitation_line(room, by)
        case notes.QueuedOffline(entry):
            text = summary(entry.content, entry.files)
            return f"Queued in the outbox for {shown_room(entry.room)}, not sent yet: {inert(text)}"
        case notes.SendDelayed(_, detail, retry_s):
            return f"{inert(detail)} Your message stays in the outbox; retrying in {_wait(retry_s)}."
        case notes.SendWaits(_, _, _, detail):
            return detail
        case notes.DirectRenamed(room, earlier):
            return (
                f"{shown_room(room)} is encrypted from now on. The earlier messages, which are not, are in "
                f"{shown_room(earlier)}."
            )
        case notes.SendFailed(entry, _, detail):
            return not_sent(detail, summary(entry.content, entry.files), f" to {shown_room(entry.room)}")
        case notes.CommandRefused(command, code, detail):
            return _refusal(command, code, detail)
        case notes.CommandAnswered(frames.Watch(usernames=usernames), frames.Watched(people=people)):
            return _people(usernames, people)
        case notes.CommandAnswered(_, frames.Invited(room=room, username=name), int() as earlier):
            return invited_line(room, name, earlier)
        case notes.CommandAnswered(_, reply):
            return _reply(reply)
        case notes.KeysTold(line):
            return line
        case notes.ServerError(detail):
            return inert(detail)
        case notes.SessionOver(code, why):
            return inert(why) if code is not None else None
        case (
            notes.MessageShown()
            | notes.MessageChanged()
            | notes.ReadStateTold()
            | notes.TrustTold()
            | notes.PresenceTold()
            | notes.ProfileTold()
            | notes.TypingTold()
            | notes.ReceiptsTold()
            | notes.AwayChanged()
            | notes.SendStored()
            | notes.Reconnecting()
        ):
            return None
        case _:
            assert_never(note)


def _connected(note: notes.WelcomeReceived) -> str:
    connected = "Reconnected." if note.again else f"Connected as {inert_name(note.username)}."
    return f"{connected} Sending {messages(note.unsent)} from the outbox." if note.unsent else connected


def _disconnected(note: notes.Disconnected, server: str) -> str | None:
    if note.repeated:
        return None
    kept = f" {messages(note.unsent)} not sent yet, kept in the outbox." if note.unsent else ""
    why = inert(note.why).rstrip(".")
    what = "Connection lost" if note.was_live else f"Can't reach {inert(server)}"
    return f"{what}: {why}. {_next_try(note.retry_s)}.{kept}"


def _gone(note: notes.RoomGone) -> str:
    room, by = shown_room(note.room), inert_name(note.by)
    match note.reason:
        case notes.GoneReason.REMOVED:
            return f"{by} removed you from {room}."
        case notes.GoneReason.DELETED:
            return f"{by} deleted {room} and its messages."
        case notes.GoneReason.LEFT:
            return f"You left {room} in another client."
        case notes.GoneReason.UNKNOWN:
            why = "you left it elsewhere, you were removed, or the room no longer exists"
            return f"You are no longer in {room}: {why}."
        case _:
            assert_never(note.reason)


def _membership(change: frames.Membership, username: str, *, mine: bool) -> str | None:
    name, room, by = inert_name(change.username), inert_name(change.room), change.by
    if by == username or (mine and by in {None, change.username}) or is_direct(change.room):
        return None
    if not change.member:
        return f"{name} left #{room}." if by in {None, change.username} else _removed(change)
    if by is None or by == change.username:
        return f"{name} joined #{room}."
    if mine:
        return f"{inert_name(by)} invited you to #{room}. To open it: /join {room}"
    return f"{inert_name(by)} invited {name} to #{room}."


def _removed(change: frames.Membership) -> str:
    by, room = inert_name(change.by or ""), inert_name(change.room)
    return f"{by} deleted #{room}." if change.deleted else f"{by} removed {inert_name(change.username)} from #{room}."


def _topic_change(room: str, topic: str, by: str) -> str:
    what = f"set the topic of {shown_room(room)}: {inert(topic)}" if topic else ""
    return f"{inert_name(by)} {what or f'cleared the topic of {shown_room(room)}.'}"


def _refusal(command: frames.Command, code: str, detail: str) -> str:
    match command, code:
        case frames.Edit() | frames.DeleteMessage() | frames.React() | frames.Pin(), Code.BAD_FRAME:
            return "This server does not support changing messages: it is older than this client."
        case frames.Edit(content=content), _:
            return not_changed(detail, content)
        case frames.SetTopic(), Code.BAD_FRAME:
            return "This server does not support topics: it is older than this client."
        case frames.Watch(), Code.BAD_FRAME:
            return OLDER_SERVER
        case frames.Notify(), Code.BAD_FRAME:
            return "This server does not support levels of notification: it is older than this client."
        case frames.Join(room=room), Code.BAD_FRAME if is_direct(room):
            return "This server does not support direct messages: it is older than this client."
        case frames.Leave(room=room), Code.ROOM_FOR_ALL:
            return f"Everyone is a member of {shown_room(room)}; you can't leave it."
        case frames.Leave(room=room), Code.NOT_A_MEMBER:
            return f"You are not in {shown_room(room)}."
        case _:
            pass
    return inert(detail)


def _reply(reply: frames.Reply) -> str | None:
    match reply:
        case frames.Created(room=room, private=private):
            return created_words(room, private=private, encrypted=room_names.is_encrypted(room))
        case frames.DirectOpened(room=room):
            return f"Opened the direct conversation with {shown_room(room)}."
        case frames.Invited(room=room, username=username):
            invited = f"You invited {inert_name(username)} to {shown_room(room)}."
            return f"{invited} If there is such a user, they can accept or decline."
        case frames.Removed(room=room, username=username):
            return f"You removed {inert_name(username)} from {shown_room(room)}."
        case frames.DeletedRoom(room=room):
            return f"Deleted {shown_room(room)} and its messages."
        case frames.Left(room=room, deleted=deleted):
            return f"You left {shown_room(room)}.{' The room and its messages were deleted.' if deleted else ''}"
        case frames.TopicSet(room=room, topic=topic):
            return topic_line(room, topic)
        case frames.NotifySet(room=room, level=level, until=until):
            return notify_line(room, level, until)
        case _:
            pass
    return None


def _people(usernames: tuple[str, ...], people: list[frames.WatchedPerson]) -> str:
    """What the server tells of one user, or who of several is here."""
    now = datetime.now(UTC)
    if len(usernames) != 1:
        return who_line(people, now)
    return " · ".join(whois_lines(people[0], now)) if people else unknown_person(usernames[0])


def invitation_line(room: str, by: str) -> str:
    """An invitation, and what the user can do.

    >>> invitation_line("ops", "bob")
    'bob invited you to #ops. Answer: /accept ops or /decline ops. No more from bob: /block bob'
    """
    room, by = inert_name(room), inert_name(by)
    return f"{by} invited you to #{room}. Answer: /accept {room} or /decline {room}. No more from {by}: /block {by}"


def not_sent(why: str, content: str, where: str = "") -> str:
    """Report a message that will never be sent, with its text.

    >>> not_sent("It is too long.", "hello")
    'NOT SENT: It is too long. Your text: hello'
    """
    return f"{NOT_SENT}{where}: {inert(why)} Your text: {inert(content)}"


def not_changed(why: str, content: str) -> str:
    """Report an edit that will not happen, with its text."""
    return f"NOT CHANGED: {inert(why)} Your text: {inert(content)}"


def topic_line(room: str, topic: str) -> str:
    """The topic of a room.

    >>> topic_line("ops", "engines"), topic_line("dev", "")
    ('Topic of #ops: engines', '#dev has no topic.')
    """
    return f"Topic of {shown_room(room)}: {inert(topic)}" if topic else f"{shown_room(room)} has no topic."


def notify_line(room: str, level: NotificationLevel, until: str, zone: tzinfo | None = None) -> str:
    """Of what a room notifies the user.

    >>> notify_line("ops", NotificationLevel.MENTIONS, "")
    '#ops notifies you of mentions only.'
    """
    sentence = f"{shown_room(room)} notifies you {_LEVELS[level]}"
    if not until:
        return f"{sentence}."
    at = time_of(until, zone)
    return f"{sentence}. Silent until {f'{at:%Y-%m-%d %H:%M}' if at else inert(until)}."


def room_lines(rooms: list[frames.RoomSummary]) -> list[str]:
    """A table of rooms, those of the reader first."""
    names = [shown_room(room.room) for room in rooms]
    widest = max(map(len, names), default=0)
    rows = sorted(zip(rooms, names, strict=True), key=lambda row: (not row[0].member, row[0].room))
    return [f"{name:<{widest}}  {_facts(room)}" for room, name in rows]


def _facts(room: frames.RoomSummary) -> str:
    members = "1 member" if room.members == 1 else f"{room.members} members"
    if is_direct(room.room):
        return f"direct, {messages(room.at.offset)}"
    kind = "encrypted, " if room_names.is_encrypted(room.room) else "private, " if room.private else ""
    topic = f": {inert(room.topic)}" if room.topic else ""
    return f"{kind}{members}, {messages(room.at.offset)}{'' if room.member else ' (not joined)'}{topic}"


def clock(timestamp: str) -> str:
    """The local hour and minute of a message."""
    at = time_of(timestamp)
    return f"{at:%H:%M}" if at else "--:--"


def new_in(counts: dict[str, int]) -> str:
    """How many new messages there are in which rooms.

    >>> new_in({"ops": 3, "dev": 1})
    '3 new in #ops, 1 new in #dev'
    """
    return ", ".join(f"{count} new in {shown_room(room)}" for room, count in counts.items())


def not_shown(room: str, dropped: int, shown: int) -> str:
    """Say how many messages precede the shown ones, and how to read them.

    >>> not_shown("ops", 180, 20)
    '180 messages before these are not shown. To read more: chatterbox tail ops --recent 200'
    """
    command = f"chatterbox tail {inert_name(room)} --recent {dropped + shown}"
    return f"{messages(dropped)} before these {'is' if dropped == 1 else 'are'} not shown. To read more: {command}"


def messages(count: int) -> str:
    """A number of messages, in words."""
    return "1 message" if count == 1 else f"{count} messages"


def _next_try(seconds: float) -> str:
    return "Retrying now" if seconds < RETRY_NOW_S else f"Retrying in {_wait(seconds)}"


def _wait(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 1 else f"{round(seconds)} s"
