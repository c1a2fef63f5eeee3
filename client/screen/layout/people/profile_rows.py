"""The profile view of a user: initials, names, presence, status, what they say about themselves, rooms. Pure."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from chatterbox.wire.people import Presence, PresenceState
from client.core.direct_rooms import is_direct
from client.screen.layout.people.presence_marks import presence_mark
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.model.chat_model import ChatModel
from client.text.line_wrap import hang
from client.text.local_time import time_of
from client.text.people_text import OLDER_SERVER, presence_words, status_words, unknown_person
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name

LABEL_COLUMNS = 12
ROOMS_LISTED = 20


def initials(username: str, display_name: str = "") -> str:
    """One or two letters in place of a picture.

    >>> initials("ada"), initials("ada", "Ada Lovelace"), initials("bob-2", " ")
    ('A', 'AL', 'B')
    """
    words = inert(display_name).split() or [inert_name(username)]
    letters = [words[0][:1], *([words[-1][:1]] if len(words) > 1 else [])]
    return "".join(letters).upper()


def profile_rows(model: ChatModel, username: str, columns: int, now: datetime, zone: tzinfo | None = None) -> list[Row]:
    """Lay out what the user may see of another. The username stands first: a display name can look like any other."""
    people = model.people
    person = people.person(username)
    profile = person.profile
    avatar = Span(f" {initials(username, profile.display_name)} ", SpanRole.AVATAR, username)
    rows: list[Row] = [(avatar, Span(" ", SpanRole.TEXT), Span(inert_name(username), SpanRole.NAME, username)), ()]
    state = Presence(username=username, state=person.presence, seen=person.seen)
    facts = {
        "Name": inert(profile.display_name),
        "Status": "" if _is_over(profile.status_until, now) else status_words(profile, now, zone),
        "About": inert(profile.bio),
        "Rooms": ", ".join(_rooms_in_common(model, username)),
    }
    if people.known.queue.supported is False or people.is_unknown(username):
        sentence = unknown_person(username) if people.is_unknown(username) else OLDER_SERVER
        rows += [(Span(line, SpanRole.NOTICE),) for line in hang("", [sentence], columns + 1)]
    else:
        rows += _presence_rows(state, columns, now)
    rows += [row for label, text in facts.items() if text for row in _labelled(label, text, columns)]
    return rows


def _is_over(until: str, now: datetime) -> bool:
    """Whether a status has ended since the server told it."""
    end = time_of(until)
    return end is not None and end <= now


def _presence_rows(presence: Presence, columns: int, now: datetime) -> Iterator[Row]:
    label = Span(f"{'Presence':<{LABEL_COLUMNS}}", SpanRole.MARK)
    mark = [presence_mark(presence.state), Span(" ", SpanRole.TEXT)] if presence.state in _SHOWN else []
    used = LABEL_COLUMNS + 2 * bool(mark)
    first, *others = hang(" " * used, [presence_words(presence, now)], columns + 1)
    yield (label, *mark, Span(first, SpanRole.TEXT))
    yield from ((Span(line, SpanRole.TEXT),) for line in others)


_SHOWN = {PresenceState.ONLINE, PresenceState.AWAY, PresenceState.OFFLINE}


def _labelled(label: str, text: str, columns: int) -> Iterator[Row]:
    prefix = f"{label:<{LABEL_COLUMNS}}"
    first, *others = hang(prefix, [text], columns + 1)
    yield (Span(prefix, SpanRole.MARK), Span(first, SpanRole.TEXT))
    yield from ((Span(line, SpanRole.TEXT),) for line in others)


def _rooms_in_common(model: ChatModel, username: str) -> list[str]:
    """The user's rooms that the other one is in, as the server said or as messages there show."""
    rooms = [room for room in model.in_order() if room.member and not is_direct(room.name)]
    shared = [room.name for room in rooms if room.name in model.people.shared_rooms or username in room.active]
    return [shown_room(name) for name in shared[:ROOMS_LISTED]]
