"""Names of direct conversations in the client: `@bob` for the conversation with bob, `@ada` for one's own notes. Pure.

On the wire it is `@ada~bob` to both if it is encrypted, and `@ada+bob` if not. `@bob` is the one that the two write in
now. Once it is encrypted it stays so, whatever the server says later; the earlier one is then called `@bob+`. The names
are translated where frames enter and leave the core, so that the rest of the client, its files included, knows only
the short ones: they are what people type and read.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import msgspec

from chatterbox.wire import direct_names, frames, text_rules
from chatterbox.wire.encryption.policy import EncryptionPolicy

MARK = "@"
"""How the name of a direct conversation begins."""
PLAIN = "+"
"""How the name of a conversation ends that is not encrypted, beside one that is."""
ENCRYPTED = "~"
"""What a person may type behind a name to begin an encrypted conversation where the server does not begin them so."""

_ENCRYPTS_DIRECTS = {policy.value for policy in EncryptionPolicy if policy.direct_is_encrypted}

Frame = TypeVar("Frame", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class EncryptedDirects:
    """Of which users `@NAME` is an encrypted conversation. It only grows, and is kept on disk."""

    always: bool = False
    """Of all: this server encrypted new direct conversations at least once."""
    peers: frozenset[str] = frozenset()
    """Of these, case-folded: there is an encrypted conversation with them."""

    def includes(self, peer: str) -> bool:
        return self.always or peer in self.peers


NONE_ENCRYPTED = EncryptedDirects()


def is_direct(room: str) -> bool:
    """Whether `room` is a direct conversation."""
    return room.startswith(MARK)


def is_earlier_plain(room: str) -> bool:
    """Whether `room` is a direct conversation that is not encrypted, beside one that is.

    >>> is_earlier_plain("@bob+"), is_earlier_plain("@bob"), is_earlier_plain("c+")
    (True, False, False)
    """
    return is_direct(room) and room.endswith(PLAIN)


def room_with(username: str) -> str:
    """The client's name of the direct conversation with a user.

    >>> room_with("Bob"), room_with("@bob"), room_with("@bob+")
    ('@bob', '@bob', '@bob+')
    """
    return MARK + text_rules.folded(username.removeprefix(MARK))


def checked_room(text: str) -> str:
    """The client's name of the direct conversation that a person typed. Raises `ChatError` for an invalid username.

    >>> checked_room("@Bob"), checked_room("@bob+")
    ('@bob', '@bob+')
    """
    return room_with(text_rules.username(peer_of(text))) + (text[-1] if text.endswith((PLAIN, ENCRYPTED)) else "")


def peer_of(room: str) -> str:
    """The user of a direct conversation, case-folded.

    >>> peer_of("@bob"), peer_of("@bob+")
    ('bob', 'bob')
    """
    return room.removeprefix(MARK).removesuffix(PLAIN).removesuffix(ENCRYPTED)


@lru_cache(maxsize=2048)
def local_name(room: str, me: str, encrypted: EncryptedDirects = NONE_ENCRYPTED) -> str:
    """The client's name for a room that the server names; a name that is not of `me` stays as it is.

    >>> local_name("@ada+Bob", "ada"), local_name("@ada+ada", "ada"), local_name("@eve+bob", "ada")
    ('@bob', '@ada', '@eve+bob')
    >>> local_name("@ada~Bob", "ada", EncryptedDirects(always=True))
    '@bob'
    >>> local_name("@ada+Bob", "ada", EncryptedDirects(always=True))
    '@bob+'
    """
    peer = direct_names.peer(room, me)
    if not peer:
        return room
    name, is_encrypted = room_with(peer), direct_names.is_encrypted(room)
    if is_encrypted == encrypted.includes(peer_of(name)):
        return name
    return name + (ENCRYPTED if is_encrypted else PLAIN)


def wire_name(room: str, me: str, encrypted: EncryptedDirects = NONE_ENCRYPTED) -> str:
    """The server's name for a room.

    >>> wire_name("@bob", "ada"), wire_name("general", "ada")
    ('@ada+bob', 'general')
    >>> wire_name("@bob", "ada", EncryptedDirects(always=True)), wire_name("@bob+", "ada")
    ('@ada~bob', '@ada+bob')
    """
    peer = peer_of(room)
    if not is_direct(room) or PLAIN in peer or ENCRYPTED in peer:
        return room
    is_encrypted = room.endswith(ENCRYPTED) or (not room.endswith(PLAIN) and encrypted.includes(peer))
    return direct_names.direct_name(me, peer, encrypted=is_encrypted)


def opening(room: str) -> frames.Direct:
    """The command that opens a direct conversation; the core adds that `@bob` is encrypted, if it is."""
    encrypted: bool | msgspec.UnsetType = msgspec.UNSET
    if room.endswith((PLAIN, ENCRYPTED)):
        encrypted = room.endswith(ENCRYPTED)
    return frames.Direct(id=0, username=peer_of(room), encrypted=encrypted)


def learned(encrypted: EncryptedDirects, frame: frames.ServerFrame, me: str) -> EncryptedDirects:
    """What is known after a frame: once encrypted is always encrypted, whatever a server says later."""
    match frame:
        case frames.Welcome(username=username, encryption=policy, rooms=rooms):
            if policy in _ENCRYPTS_DIRECTS and not encrypted.always:
                encrypted = replace(encrypted, always=True)
            return _with_peers(encrypted, [room.room for room in rooms], username)
        case frames.RoomList(rooms=listed):
            return _with_peers(encrypted, [room.room for room in listed], me)
        case frames.Membership(room=room) | frames.DirectOpened(room=room):
            return _with_peers(encrypted, [room], me)
        case _:
            return encrypted


def _with_peers(encrypted: EncryptedDirects, rooms: list[str], me: str) -> EncryptedDirects:
    named = (direct_names.peer(room, me) for room in rooms if direct_names.is_encrypted(room))
    if new := {text_rules.folded(peer) for peer in named if peer} - encrypted.peers:
        return replace(encrypted, peers=encrypted.peers | new)
    return encrypted


def from_server(frame: frames.ServerFrame, me: str, encrypted: EncryptedDirects = NONE_ENCRYPTED) -> frames.ServerFrame:
    """A frame with the client's names; `me` is this user's name."""

    def local(part: Frame) -> Frame:
        return _local(part, me, encrypted)

    def local_change(change: frames.Change) -> frames.Change:
        if is_direct(change.room) and change.message is not None:
            change = msgspec.structs.replace(change, message=local(change.message))
        return local(change)

    match frame:
        case frames.Welcome(username=username, rooms=rooms):
            return msgspec.structs.replace(frame, rooms=[_local(room, username, encrypted) for room in rooms])
        case frames.RoomList(rooms=listed):
            return msgspec.structs.replace(frame, rooms=[local(room) for room in listed])
        case frames.Joined(room=room, messages=messages) | frames.Page(room=room, messages=messages):
            if is_direct(room):
                frame = msgspec.structs.replace(frame, messages=[local(message) for message in messages])
        case frames.ChangesPage(room=room, changes=changes):
            if is_direct(room):
                frame = msgspec.structs.replace(frame, changes=[local_change(change) for change in changes])
        case frames.Change():
            return local_change(frame)
        case _:
            pass  # other frames name a room in one place, or none
    return local(frame)


def _local(frame: Frame, me: str, encrypted: EncryptedDirects) -> Frame:
    room = getattr(frame, "room", "")
    return msgspec.structs.replace(frame, room=local_name(room, me, encrypted)) if is_direct(room) else frame


def to_server(command: frames.Command, me: str, encrypted: EncryptedDirects = NONE_ENCRYPTED) -> frames.Command:
    """A command with the server's names."""
    room = getattr(command, "room", "")
    return msgspec.structs.replace(command, room=wire_name(room, me, encrypted)) if is_direct(room) else command
