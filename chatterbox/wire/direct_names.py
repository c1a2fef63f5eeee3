"""Names of direct conversations, from the usernames of the two: `@ada~bob`, and `@ada+bob` if not encrypted. Pure.

None of `@`, `~` and `+` occurs in a username, and no room name starts with `@`. So a name tells who the two are and
whether they write encrypted, which no server can change, and it is never the name of another room. Notes to oneself
are `@ada~ada`.
"""

from typing import Any

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError, Code

KIND = "direct"
"""The `kind` of a direct conversation in frames."""
MARK, _AND, AND_ENCRYPTED = "@", "+", "~"
"""How such a name begins, and what is between the usernames: `AND_ENCRYPTED` if it is encrypted."""


def direct_name(one: str, other: str, *, encrypted: bool = False) -> str:
    """The name of the conversation of two users, in the spelling of the usernames; who is first makes no difference.

    >>> direct_name("bob", "Ada"), direct_name("ada", "ada", encrypted=True)
    ('@Ada+bob', '@ada~ada')
    """
    between = AND_ENCRYPTED if encrypted else _AND
    return f"{MARK}{between.join(sorted((one, other), key=text_rules.folded))}"


def is_encrypted(room: str) -> bool:
    """Whether this is the name of an encrypted direct conversation.

    >>> is_encrypted("@ada~bob"), is_encrypted("@ada+bob"), is_encrypted("general")
    (True, False, False)
    """
    return room.startswith(MARK) and AND_ENCRYPTED in room


def people(room: str) -> tuple[str, ...]:
    """The usernames in the name of a direct conversation, once each; () for any other room.

    >>> people("@Ada+bob"), people("@ada~ada"), people("general")
    (('Ada', 'bob'), ('ada',), ())
    """
    if not room.startswith(MARK):
        return ()
    low, _, high = room.removeprefix(MARK).partition(AND_ENCRYPTED if is_encrypted(room) else _AND)
    return (low, high) if low != high else (low,)


def fields(room: str) -> dict[str, Any]:
    """The fields `kind` and `with` of frames about a direct conversation; none for any other room."""
    names = people(room)
    return {"kind": KIND, "with_": names} if names else {}


def peer(room: str, username: str) -> str:
    """With whom `username` has this conversation: the other of the two, or for notes `username`; "" in any other room.

    >>> peer("@Ada+bob", "bob"), peer("@ada+ada", "ada"), peer("general", "bob"), peer("@ada+bob", "eve")
    ('Ada', 'ada', '', '')
    """
    both = people(room)
    mine = text_rules.folded(username)
    if mine not in map(text_rules.folded, both):
        return ""
    return next((name for name in both if text_rules.folded(name) != mine), both[0])


def address(text: str) -> str:
    """The form in which the name of a direct conversation is compared; see `room_names.address`.

    >>> address("@BOB~Ada")
    '@ada~bob'
    """
    encrypted = is_encrypted(text)
    names = text.removeprefix(MARK).replace(" ", _AND).split(AND_ENCRYPTED if encrypted else _AND)
    try:
        one, other = map(text_rules.username, names)
    except (ChatError, ValueError):
        raise ChatError(
            Code.ROOM_NAME_INVALID, "A direct conversation is named after the two users: @USERNAME~USERNAME."
        ) from None
    return direct_name(text_rules.folded(one), text_rules.folded(other), encrypted=encrypted)
