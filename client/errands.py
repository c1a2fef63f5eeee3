"""What is asked over HTTP by commands and in chats alike: members, and sessions. Answers are inert."""

from chatterbox.wire.errors import Code
from client.api import Api, SessionLine
from client.failures import Refused
from client.inert import inert, inert_name
from client.known import Known
from client.place import Place
from client.words import meant, time_of

BEGINNING = 4
"""Characters of a session's id that name it, where no other begins so."""


def members(place: Place, room: str, known: Known) -> list[str]:
    """The people in a room, each inert; raises `Refused`, with a guess where there is no such room."""
    with _api(place) as api:
        try:
            names = sorted(api.members(room), key=str.casefold)
        except Refused as refusal:
            guess = meant(room, [*known.names.rooms, *known.names.other_rooms])
            if refusal.code != Code.ROOM_UNKNOWN or guess is None:
                raise
            raise Refused(f"{refusal} Did you mean #{inert_name(guess)}?", refusal.code) from None
    known.learn(people=names)
    return [inert_name(name) for name in names]


def sessions(place: Place, known: Known) -> list[str]:
    """A line for each session of this user."""
    with _api(place) as api:
        lines = api.sessions()
    known.learn(sessions=[line.id for line in lines if not line.current])
    return [_described(line) for line in lines]


def end_session(place: Place, beginning: str, known: Known) -> str:
    """End the one session whose id begins so, forget it here if it is this one, and say so; raises `Refused`."""
    with _api(place) as api:
        lines = api.sessions()
        line = _meant(lines, beginning)
        api.end_session(line.id)
    known.learn(sessions=[other.id for other in lines if other is not line and not other.current])
    if line.current:
        place.file.delete()
        return "Session terminated."
    return f"Session terminated: {_described(line)}"


def _meant(lines: list[SessionLine], beginning: str) -> SessionLine:
    found = [line for line in lines if line.id == beginning]
    if not found and len(beginning) >= BEGINNING:
        found = [line for line in lines if line.id.startswith(beginning)]
    match found:
        case [line]:
            return line
        case []:
            hint = "" if len(beginning) >= BEGINNING else f"; {BEGINNING} characters are needed at least"
            raise Refused(f"No session of yours has the id {inert(beginning[:64])}{hint}. See: sessions")
    raise Refused(f"{len(found)} of your sessions begin with {inert(beginning[:64])}; give more of the id.")


def _api(place: Place) -> Api:
    return Api(place.server, place.tokens.session().token)


def _described(line: SessionLine) -> str:
    mark = "  (this one)" if line.current else ""
    return f"{inert(line.id)}  {_when(line.created)} to {_when(line.expires)}  {inert(line.user_agent)}{mark}"


def _when(timestamp: str) -> str:
    at = time_of(timestamp)
    return f"{at:%Y-%m-%d %H:%M}" if at else inert(timestamp)
