"""A refused page or join requested again when its timer is due. Pure."""

from dataclasses import replace

from chatterbox.wire.frames import Join
from client.core import message_changes
from client.core import message_stream as streams
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.rooms.pending_commands import is_opening, is_pending
from client.core.rooms.room_joins import send_join
from client.core.rooms.stream_progress import pass_on


def retry(step: ReducerStep, room: str, command_id: int) -> None:
    """Request a page, or to join, again after a temporary refusal."""
    if step.state.phase is not ConnectionPhase.LIVE:
        return
    stream = step.state.streams.get(room)
    if stream is not None and stream.changes.waiting == command_id:
        changes = message_changes.stop_waiting(stream.changes, give_up=False)
        pass_on(step, room, replace(stream, changes=changes), [])
        return
    if room in step.state.joining:
        if not is_pending(step, Join, room) and not is_opening(step, room):
            send_join(step, room)
    elif stream is not None and stream.waiting == command_id:
        pass_on(step, room, *streams.stop_waiting(stream))
