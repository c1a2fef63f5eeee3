"""Search in encrypted rooms, as commands and chats use it: on this computer, without a connection."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from chatterbox.wire import room_names
from client.context import ClientContext
from client.encryption.search.local_search import LocalSearch
from client.encryption.search.search_index import FoundMessage, Reach
from client.encryption.store.store_key import open_key_store
from client.failures import Failure, UsageError
from client.store.key_store_files import key_store_path
from client.text.encryption.search_text import NO_INDEX, not_encrypted_line

MOST_IN_CHAT = 500
"""Messages that one search lists in a chat."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, the newest first, with the client's names of the rooms."""

    found: list[tuple[str, FoundMessage]]
    reach: list[tuple[str, Reach | None]]
    """How far back each room was searched."""


class RoomSearch:
    """Searching an open chat: the index is read at the first `refresh`, and then kept in memory."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context
        self._search: LocalSearch | None = None

    def refresh(self) -> None:
        """Take what was read until now; blocks. Raises `Failure`."""
        if self._search is None:
            self._search = local_search(self._context)
        self._search.refresh()

    def find(self, room: str, typed: str) -> list[FoundMessage]:
        """The newest messages of a room, by the client's name, that match."""
        return self._search.find(typed, self._context.wire_name(room), MOST_IN_CHAT) if self._search else []

    def reach(self, room: str) -> Reach | None:
        """How far back a room is searched; None: nothing of it was read yet."""
        return self._search.reach(self._context.wire_name(room)) if self._search else None


def local_search(context: ClientContext, ask_passphrase: Callable[[], str] | None = None) -> LocalSearch:
    """The search of the user who is logged in; raises `Failure` if this computer has no keys."""
    session = context.tokens.session()
    if not key_store_path(context.home, context.server, session.username).exists():
        raise Failure(NO_INDEX)
    return LocalSearch(lambda: open_key_store(context.home, context.server, session.username, ask_passphrase))


def search(
    context: ClientContext,
    typed: str,
    room: str = "",
    *,
    limit: int = 50,
    ask_passphrase: Callable[[], str] | None = None,
) -> SearchResult:
    """Search a room by the client's name, or all encrypted ones. Raises `Failure`."""
    wire_name = context.wire_name(room) if room else ""
    if room and not room_names.is_encrypted(wire_name):
        raise UsageError(not_encrypted_line(room))
    with closing(local_search(context, ask_passphrase)) as found:
        found.refresh()
        names = [wire_name] if room else found.rooms()
        return SearchResult(
            [(context.local_name(each.room), each) for each in found.find(typed, wire_name, limit)],
            [(context.local_name(name), found.reach(name)) for name in names],
        )
