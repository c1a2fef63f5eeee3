"""Commands about a room that have no reply yet. Pure."""

from chatterbox.wire.frames import DeleteRoom, Direct, Join, Leave
from client.core import direct_rooms
from client.core.client_state import ReducerStep


def is_pending(step: ReducerStep, kind: type[Join] | tuple[type[Leave], type[DeleteRoom]], room: str) -> bool:
    """Whether a command of this kind (or one of these), about this room, waits for its reply."""
    commands = (pending.command for pending in step.state.pending.values())
    return any(isinstance(command, kind) and command.room == room for command in commands)


def is_opening(step: ReducerStep, room: str) -> bool:
    """Whether a direct conversation is being opened."""
    commands = (pending.command for pending in step.state.pending.values())
    return any(isinstance(command, Direct) and room_of(command) == room for command in commands)


def room_of(direct: Direct) -> str:
    """The client's name of the conversation that a command opens."""
    name = direct_rooms.room_with(direct.username)
    return name + direct_rooms.PLAIN if direct.encrypted is False else name
