"""HTTP jobs that commands and chats share: list members, list and end sessions."""

from collections.abc import Callable

import msgspec

from chatterbox.wire.errors import Code
from client.context import ClientContext
from client.failures import ServerRefused
from client.net.http_api import HttpApi, ReadStateInfo, SessionInfo
from client.store.name_cache import NameCache
from client.store.session_file import OTHERS
from client.text.local_time import time_of
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name
from client.text.suggestions import unlisted_room

_WRITERS = {
    "everyone": "Everyone may write to you directly, except users whom you block.",
    "rooms": "Only users who share a room with you, other than #general, may write to you directly.",
    "nobody": "Nobody may write to you directly, also in conversations that you already have.",
}
PREFIX_CHARS = 4
"""The fewest characters of a session id that select a session."""


def members(context: ClientContext, room: str, cache: NameCache) -> list[str]:
    """The members of a room, each inert; raises `ServerRefused`, with a suggestion if the room is unknown."""
    return list(map(inert_name, usernames(context, room, cache)))


def usernames(context: ClientContext, room: str, cache: NameCache) -> list[str]:
    """The members of a room, as the server sends them; raises what `members` raises."""
    with _api(context) as api:
        try:
            names = sorted(api.members(context.wire_name(room)), key=str.casefold)
        except ServerRefused as refusal:
            if refusal.code != Code.ROOM_UNKNOWN:
                raise
            rooms = list(cache.names.all_rooms)
            raise ServerRefused(unlisted_room(room, rooms, left=room in rooms), refusal.code) from None
    cache.learn(people=names)
    return names


def own_reactions(context: ClientContext, room: str, first: int, last: int) -> list[tuple[int, str]]:
    """Offset and emoji of the user's reactions to the messages of a room from `first` to `last`."""
    with _api(context) as api:
        found = api.own_reactions(context.wire_name(room), first, last)
    return [(each.offset, each.emoji) for each in found]


def unread(context: ClientContext) -> list[ReadStateInfo]:
    """The rooms with unread messages by the client's names, those that mention the user first."""
    with _api(context) as api:
        rooms = api.unread()
    named = [msgspec.structs.replace(room, room=context.local_name(room.room)) for room in rooms if room.unread]
    return sorted(named, key=lambda room: (-room.mentions, -room.unread, room.room))


def invitations(context: ClientContext) -> list[str]:
    """A line for each pending invitation."""
    with _api(context) as api:
        pending = api.invitations()
    return [f"{shown_room(one.room)}  from {inert_name(one.by)}, {_when(one.created)}" for one in pending]


def decline(context: ClientContext, room: str) -> str:
    """Decline an invitation, and say so."""
    with _api(context) as api:
        api.decline(room)
    return f"Declined the invitation to {shown_room(room)}."


def blocks(context: ClientContext) -> list[str]:
    """The blocked users, each inert."""
    with _api(context) as api:
        return [inert_name(name) for name in api.blocks()]


def block(context: ClientContext, username: str) -> str:
    """Block a user's invitations and direct messages, and say so."""
    with _api(context) as api:
        api.block(username)
    name = inert_name(username)
    return f"You get no more invitations and direct messages from {name}. To allow them again: unblock {name}"


def unblock(context: ClientContext, username: str) -> str:
    """Allow a user's invitations and direct messages again, and say so."""
    with _api(context) as api:
        api.unblock(username)
    return f"{inert_name(username)} can invite you and write to you again."


def writers(context: ClientContext, chosen: str = "") -> str:
    """Set who may write direct messages to the user, if `chosen`; then say who may."""
    with _api(context) as api:
        if chosen:
            api.change_settings({"writes": chosen})
        else:
            chosen = api.settings().writes
    return writers_line(chosen)


def writers_line(chosen: str) -> str:
    """Who may write direct messages to the user."""
    return _WRITERS.get(chosen, f"Who may write to you directly: {inert_name(chosen)}.")


def sessions(context: ClientContext, cache: NameCache) -> list[str]:
    """A line for each of the user's sessions."""
    return [described(session) for session in list_sessions(context, cache)]


def list_sessions(context: ClientContext, cache: NameCache) -> list[SessionInfo]:
    """The user's sessions, as the server sends them."""
    with _api(context) as api:
        sessions = api.sessions()
    cache.learn(sessions=[session.id for session in sessions if not session.current])
    return sessions


def end_session(
    context: ClientContext, prefix: str, cache: NameCache, log_out: Callable[[], None] | None = None
) -> str:
    """End the one session whose id starts with `prefix`, and say so; raises `ServerRefused`.

    `OTHERS` ends all but this one. This session is also deleted from disk, unless `log_out` is given: a running chat
    ends itself before its session.
    """
    with _api(context) as api:
        sessions = api.sessions()
        if prefix == OTHERS:
            return _end_others(api, [session for session in sessions if not session.current], cache)
        selected = _select(sessions, prefix)
        if selected.current and log_out is not None:
            log_out()
            return "Logging out."
        api.end_session(selected.id)
    cache.learn(sessions=[other.id for other in sessions if other is not selected and not other.current])
    if selected.current:
        context.session_file.delete()
        return "Logged out."
    return f"Session ended: {described(selected)}"


def _end_others(api: HttpApi, others: list[SessionInfo], cache: NameCache) -> str:
    for session in others:
        try:
            api.end_session(session.id)
        except ServerRefused as refusal:
            if refusal.code != Code.SESSION_UNKNOWN:  # otherwise it has ended on its own since
                raise
    cache.learn(sessions=[])
    match len(others):
        case 0:
            return "You have no other sessions."
        case 1:
            return f"Session ended: {described(others[0])}"
    return f"{len(others)} other sessions ended."


def _select(sessions: list[SessionInfo], prefix: str) -> SessionInfo:
    found = [session for session in sessions if session.id == prefix]
    if not found and len(prefix) >= PREFIX_CHARS:
        found = [session for session in sessions if session.id.startswith(prefix)]
    match found:
        case [session]:
            return session
        case []:
            hint = "" if len(prefix) >= PREFIX_CHARS else f" (type at least {PREFIX_CHARS} characters)"
            raise ServerRefused(f"No session with the id {inert(prefix[:64])}{hint}. To list them: sessions")
    raise ServerRefused(f"{len(found)} sessions start with {inert(prefix[:64])}. Type more of the id.")


def _api(context: ClientContext) -> HttpApi:
    return HttpApi(context.server, context.tokens.token())


def summary(session: SessionInfo) -> str:
    """When a session was used last, on which host, from where, and with which program. Inert."""
    program, _, host = session.user_agent.partition(" on ")
    where = "".join(f" {word} {inert(name)}" for word, name in (("on", host), ("from", session.address)) if name)
    return f"{_when(session.last_used or session.created)}{where}, {inert(program) or 'unknown program'}"


def described(session: SessionInfo) -> str:
    """A session in one inert line."""
    mark = "  (this one)" if session.current else ""
    ends = f", ends {_when(session.ends)}" if session.ends else ""
    return f"{inert(session.id)}  last used {summary(session)}, began {_when(session.created)}{ends}{mark}"


def _when(timestamp: str) -> str:
    at = time_of(timestamp)
    return f"{at:%Y-%m-%d %H:%M}" if at else inert(timestamp)
