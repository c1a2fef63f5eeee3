"""What people read about encrypted private rooms: who can read them, and how a plain room goes on in one. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from chatterbox.wire.text_rules import folded
from client.encryption.core.trust import Trust
from client.text.room_text import shown_room
from client.text.sanitize import inert_name

UNREADABLE_TOPIC = "has a topic that can't be read here: this device has no key for it."
DIRECT = "A direct conversation has no successor: its messages are encrypted if the server encrypts, see its header."
BUSY = "An encrypted room is being made already."
OFFLINE = "Offline: nothing was done. Try again when there is a connection."
UNSUPPORTED = "This server does not support encryption, so nothing was done."


def created_words(room: str, *, private: bool, encrypted: bool) -> str:
    """The sentence after a room was created.

    >>> created_words("plans~", private=True, encrypted=True)
    'Created #plans~ (private and encrypted: only members whom a member invites can read it).'
    """
    if encrypted:
        kind = " (private and encrypted: only members whom a member invites can read it)"
    else:
        kind = " (private, by invitation only)" if private else ""
    return f"Created {shown_room(room)}{kind}."


def invited_line(room: str, username: str, earlier: int) -> str:
    """The sentence after a user was invited to an encrypted room. `earlier`: how many messages they can read of before.

    >>> invited_line("plans~", "bob", 1204)
    'You invited bob to #plans~. Once they accept, bob will read #plans~ from then on, and the 1,204 messages before.'
    """
    who, where = inert_name(username), shown_room(room)
    before = (
        "" if not earlier else f", and the {earlier:,} messages before" if earlier > 1 else ", and the message before"
    )
    return f"You invited {who} to {where}. Once they accept, {who} will read {where} from then on{before}."


def member_words(members: Mapping[str, Trust], me: str) -> str:
    """How many members an encrypted room has by its member log, and how many of the others the user `me` verified.

    >>> member_words({"ada": Trust.VERIFIED, "bob": Trust.VERIFIED, "eve": Trust.SEEN}, "ada")
    '3 members, 1 verified'
    """
    count = "1 member" if len(members) == 1 else f"{len(members)} members"
    others = [trust for username, trust in members.items() if username != folded(me)]
    verified = sum(trust is Trust.VERIFIED for trust in others)
    changed = sum(trust is Trust.CHANGED for trust in members.values())
    facts = [count, *([f"{verified} verified"] if verified else []), *([f"{changed} with new keys"] if changed else [])]
    return ", ".join(facts)


def member_mark(username: str, members: Mapping[str, Trust], me: str = "") -> str:
    """What is said behind a member's name, in parentheses; empty for most.

    >>> member_mark("Eve", {"bob": Trust.SEEN}), member_mark("Bob", {"bob": Trust.VERIFIED})
    (' (gets no keys: no member invited them)', ' (verified)')
    """
    match members.get(folded(username)):
        case None:
            return " (gets no keys: no member invited them)"
        case Trust.CHANGED:
            return f" (gets no keys until you take the new ones: /verify {inert_name(username)})"
        case Trust.VERIFIED if folded(username) != folded(me):
            return " (verified)"
        case _:
            return ""


def without_keys_lines(usernames: Iterable[str], members: Mapping[str, Trust]) -> list[str]:
    """A line for each member whom the server names and who gets no keys of an encrypted room."""
    marks = [(name, member_mark(name, members)) for name in usernames]
    return [f"{inert_name(name)}{mark}." for name, mark in marks if "gets no keys" in mark]


# A plain private room that goes on in an encrypted one.


def public_line(room: str) -> str:
    """Why a public room is not encrypted."""
    return (
        f"{shown_room(room)} is public: anybody can join it and read, so encrypting it would protect nothing. To talk "
        f"in private: /create {inert_name(room)} encrypted"
    )


def encrypted_already(room: str) -> str:
    return f"{shown_room(room)} is encrypted already."


def exists_already(room: str, *, is_member: bool) -> str:
    """The name of the successor is taken."""
    open_it = f" To open it: /join {inert_name(room)}" if is_member else " Ask one of its members to invite you."
    return f"There is a room {shown_room(room)} already; nothing was done.{open_it}"


def before_successor(old: str, new: str, others: int) -> str:
    """What is said before the successor is made."""
    whom = "" if not others else " and inviting the other member" if others == 1 else f" and inviting {others} members"
    return (
        f"Making {shown_room(new)}, encrypted{whom}. The messages of {shown_room(old)} stay where they are, not "
        "encrypted."
    )


def successor_message(new: str) -> str:
    """What is written to the plain room.

    >>> successor_message("plans~")
    'This room goes on in #plans~, which is end-to-end encrypted. If you are invited: /accept plans~'
    """
    return f"This room goes on in #{new}, which is end-to-end encrypted. If you are invited: /accept {new}"


def after_successor(
    old: str, new: str, invited: Sequence[str], without_keys: Sequence[str], failed: Sequence[str]
) -> list[str]:
    """What is said once the successor is made."""
    lines = [f"{shown_room(new)} is the encrypted successor of {shown_room(old)}."]
    if invited:
        lines.append(f"Invited: {_names(invited)}.")
    if without_keys:
        lines.append(
            f"Not invited, because they have no keys yet: {_names(without_keys)}. Once they have connected with a "
            f"client that encrypts: /invite {inert_name(without_keys[0])} {inert_name(new)}"
        )
    if failed:
        lines.append(
            f"Not invited, because the server refused: {_names(failed)}. To try again: "
            f"/invite {inert_name(failed[0])} {inert_name(new)}"
        )
    return lines


def _names(usernames: Sequence[str]) -> str:
    return ", ".join(map(inert_name, usernames))
