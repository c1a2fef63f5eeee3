"""Names of rooms of every kind, and which of them are encrypted. Pure.

The name decides, and no server can change it: an encrypted private room has a `~` at its end (`plans~`), an encrypted
direct conversation one between the usernames (`@ada~bob`), and no other room has one.
"""

from chatterbox.wire import direct_names, text_rules
from chatterbox.wire.limits import Limits

ENCRYPTED_MARK = direct_names.AND_ENCRYPTED
"""In the name of every encrypted room, and of no other."""


def is_encrypted(room: str) -> bool:
    """Whether this is the name of an encrypted room.

    >>> is_encrypted("plans~"), is_encrypted("@ada~bob"), is_encrypted("@ada+bob"), is_encrypted("plans")
    (True, True, False, False)
    """
    return ENCRYPTED_MARK in room


def encrypted_name(room: str) -> str:
    """The name of the encrypted room that is called as `room` is.

    >>> encrypted_name("plans"), encrypted_name("plans~")
    ('plans~', 'plans~')
    """
    return room.removesuffix(ENCRYPTED_MARK) + ENCRYPTED_MARK


def room_name(text: str, limits: Limits) -> str:
    """The form in which the name of a room that is no direct conversation is stored and compared.

    The mark does not count as one of the characters of a name. Raises `room_name_invalid`.

    >>> room_name("Plans~", Limits()), room_name("General", Limits())
    ('plans~', 'general')
    """
    mark = ENCRYPTED_MARK if text.endswith(ENCRYPTED_MARK) else ""
    return text_rules.room_name(text.removesuffix(ENCRYPTED_MARK), limits) + mark


def address(text: str, limits: Limits) -> str:
    """The form in which the name of any room is compared: two spellings of the same name have the same.

    In a direct conversation, a space counts as `+`, which is how the query of an address (URL) means it. Raises
    `room_name_invalid`.

    >>> address("@BOB~Ada", Limits()), address("General", Limits())
    ('@ada~bob', 'general')
    """
    if text.startswith(direct_names.MARK):
        return direct_names.address(text)
    return room_name(text, limits)
