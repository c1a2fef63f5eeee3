"""What is said of a search in encrypted rooms: what was found, and how far back it was searched. Pure."""

from client.encryption.search.search_index import FoundMessage, Reach
from client.text.local_time import time_of
from client.text.note_text import messages
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name

NO_INDEX = (
    "This computer has read no encrypted message yet, so there is nothing to search. Open the conversation in "
    "`chatterbox chat` first."
)


def not_encrypted_line(room: str) -> str:
    """Why a room can't be searched from a shell, and what to do instead."""
    name = inert_name(room)
    how = f"In a shell: chatterbox tail {name} --recent 1000 | grep TEXT"
    return f"{shown_room(room)} is not encrypted; only encrypted rooms have an index on this computer. {how}"


def found_line(found: FoundMessage, room: str = "") -> str:
    r"""A message that was found, on one line; `room` is named if several were searched.

    >>> found_line(FoundMessage("@ada~bob", "e", 41, "2026-11-30T07:11:00Z", "ada", "back\nup", "plan.pdf"), "@bob")
    '2026-11-30 07:11 @bob #41 ada: back up [plan.pdf]'
    """
    at = time_of(found.timestamp)
    when = f"{at:%Y-%m-%d %H:%M} " if at else ""
    where = f"{shown_room(room)} " if room else ""
    files = f"[{', '.join(found.files.splitlines())}]" if found.files else ""
    text = " ".join([*found.text.split(), *([files] if files else [])])
    return f"{when}{where}#{found.offset} {inert_name(found.username)}: {inert(text)}"


def reach_words(reach: Reach | None) -> str:
    """How far back a room was searched.

    >>> reach_words(Reach(41, "2026-11-02T07:11:00Z", 0)), reach_words(Reach(1, "2026-11-02T07:11:00Z", 3))
    ('searched back to 2026-11-02', 'searched to its beginning, but for 3 messages whose keys are missing')
    """
    if reach is None:
        return "nothing of it was read on this computer yet"
    at = time_of(reach.timestamp)
    back = f"back to {at:%Y-%m-%d}" if at else f"back to message #{reach.first}"
    keys = "key is" if reach.locked == 1 else "keys are"
    locked = f", but for {messages(reach.locked)} whose {keys} missing" if reach.locked else ""
    return f"searched {'to its beginning' if reach.is_whole else back}{locked}"


def reach_line(room: str, reach: Reach | None) -> str:
    """The same as a sentence.

    >>> reach_line("@bob", Reach(41, "2026-11-02T07:11:00Z", 0))
    '@bob: searched back to 2026-11-02. A chat that is open reads on.'
    """
    more = "" if reach is not None and reach.is_whole else ". A chat that is open reads on"
    return f"{shown_room(room)}: {reach_words(reach)}{more}."


def result_lines(found: list[tuple[str, FoundMessage]], *, several: bool) -> list[str]:
    """Everything that was found, the newest last, as in a conversation."""
    return [found_line(each, room if several else "") for room, each in reversed(found)] or ["No match."]
