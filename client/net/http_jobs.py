"""What is asked over HTTP by commands and in chats alike: members, and sessions."""

from collections.abc import Callable

from chatterbox.wire.errors import Code
from client.context import ClientContext
from client.failures import ServerRefused
from client.net.http_api import HttpApi, SessionInfo
from client.store.name_cache import NameCache
from client.store.session_file import OTHERS
from client.text.note_text import no_such_room, time_of
from client.text.sanitize import inert, inert_name

BEGINNING = 4
"""Characters of a session's id that name it, where no other begins so."""


def members(place: ClientContext, room: str, known: NameCache) -> list[str]:
    """The people in a room, each inert; raises `ServerRefused`, with a guess where there is no such room."""
    with _api(place) as api:
        try:
            names = sorted(api.members(room), key=str.casefold)
        except ServerRefused as refusal:
            if refusal.code != Code.ROOM_UNKNOWN:
                raise
            rooms = list(known.names.all_rooms)
            raise ServerRefused(no_such_room(room, rooms, left=room in rooms), refusal.code) from None
    known.learn(people=names)
    return [inert_name(name) for name in names]


def sessions(place: ClientContext, known: NameCache) -> list[str]:
    """A line for each session of this user."""
    return [described(line) for line in session_lines(place, known)]


def session_lines(place: ClientContext, known: NameCache) -> list[SessionInfo]:
    """Each session of this user, as the server has it."""
    with _api(place) as api:
        lines = api.sessions()
    known.learn(sessions=[line.id for line in lines if not line.current])
    return lines


def end_session(
    place: ClientContext, beginning: str, known: NameCache, log_out: Callable[[], None] | None = None
) -> str:
    """End the one session whose id begins so, forget it here if it is this one, and say so; raises `ServerRefused`.

    `OTHERS` ends all but this one. A chat, which this one would be ended under, has a way of its own to `log_out`.
    """
    with _api(place) as api:
        lines = api.sessions()
        if beginning == OTHERS:
            return _end_others(api, [line for line in lines if not line.current], known)
        line = _meant(lines, beginning)
        if line.current and log_out is not None:
            log_out()
            return "Logging out."
        api.end_session(line.id)
    known.learn(sessions=[other.id for other in lines if other is not line and not other.current])
    if line.current:
        place.file.delete()
        return "Session terminated."
    return f"Session terminated: {described(line)}"


def _end_others(api: HttpApi, others: list[SessionInfo], known: NameCache) -> str:
    for line in others:
        try:
            api.end_session(line.id)
        except ServerRefused as refusal:
            if refusal.code != Code.SESSION_UNKNOWN:  # else it has ended by itself since
                raise
    known.learn(sessions=[])
    match len(others):
        case 0:
            return "There is no other session of yours."
        case 1:
            return f"Session terminated: {described(others[0])}"
    return f"{len(others)} other sessions terminated."


def _meant(lines: list[SessionInfo], beginning: str) -> SessionInfo:
    found = [line for line in lines if line.id == beginning]
    if not found and len(beginning) >= BEGINNING:
        found = [line for line in lines if line.id.startswith(beginning)]
    match found:
        case [line]:
            return line
        case []:
            hint = "" if len(beginning) >= BEGINNING else f"; {BEGINNING} characters are needed at least"
            raise ServerRefused(f"No session of yours has the id {inert(beginning[:64])}{hint}. See: sessions")
    raise ServerRefused(f"{len(found)} of your sessions begin with {inert(beginning[:64])}; give more of the id.")


def _api(place: ClientContext) -> HttpApi:
    return HttpApi(place.server, place.tokens.session().token)


def told(line: SessionInfo) -> str:
    """A session in the words of whoever has it: when it was begun, and with which program. Inert."""
    return f"{_when(line.created)}, {inert(line.user_agent) or 'some program'}"


def described(line: SessionInfo) -> str:
    """A session in one inert line."""
    mark = "  (this one)" if line.current else ""
    return f"{inert(line.id)}  {_when(line.created)} to {_when(line.expires)}  {inert(line.user_agent)}{mark}"


def _when(timestamp: str) -> str:
    at = time_of(timestamp)
    return f"{at:%Y-%m-%d %H:%M}" if at else inert(timestamp)
