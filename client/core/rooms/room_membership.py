"""Reducer for the rooms that the user is in: memberships, topics and invitations. Pure."""

from dataclasses import replace

from chatterbox.wire.frames import DeleteRoom, Leave, Membership, PendingInvitation
from chatterbox.wire.position import Position
from client.core.client_state import ReducerStep
from client.core.message_stream import MessageStream
from client.core.notes import GoneReason, InvitationReceived, MembershipChange, RoomGone, TopicChange
from client.core.read_state import read_rules
from client.core.rooms.pending_commands import is_pending
from client.core.rooms.stream_progress import fresh


def start(step: ReducerStep, room: str, at: Position, rev: int) -> None:
    """Follow a room that the user became a member of: messages continue after `at`, changes after `rev`."""
    if room not in step.state.streams and room not in step.state.joining and step.state.follows(room):
        step.set_stream(room, MessageStream(at, changes=fresh(step, at, rev)))


def leave(step: ReducerStep, room: str) -> None:
    step.set_stream(room, None)
    read_rules.forget(step, room)


def remove(step: ReducerStep, room: str, reason: GoneReason = GoneReason.UNKNOWN, by: str = "") -> None:
    leave(step, room)
    step.show(RoomGone(room, reason, by))


def take_membership(step: ReducerStep, change: Membership) -> None:
    """Show who joined or left; if it is this user, start or end the room's stream.

    A leave, or a deletion, that this client requested has its own reply. Without such a request, the user left from
    another client, or another user did it.
    """
    mine = change.username == step.state.username
    if mine and change.member and change.at is not None:
        take_invitation(step, change.room, None)
        take_topic(step, change.room, change.topic)
        read_rules.take_membership(step, change)
        start(step, change.room, change.at, change.rev)
    elif mine and not change.member:
        if change.room in step.state.streams and not is_pending(step, (Leave, DeleteRoom), change.room):
            remove(step, change.room, _reason(step, change), change.by or "")
            return
        leave(step, change.room)
    step.show(MembershipChange(change, mine))


def _reason(step: ReducerStep, change: Membership) -> GoneReason:
    """Why this user is no longer in a room, although this client did not ask for it."""
    if change.by is None:
        return GoneReason.UNKNOWN
    if change.deleted:
        return GoneReason.DELETED
    return GoneReason.LEFT if change.by == step.state.username else GoneReason.REMOVED


def take_topic(step: ReducerStep, room: str, topic: str, *, by: str | None = None) -> None:
    """Store a room's topic, and show it if it changed."""
    if step.state.topics.get(room, "") != topic:
        step.set_state(replace(step.state, topics={**step.state.topics, room: topic}))
        step.show(TopicChange(room, topic, by))


def take_invitations(step: ReducerStep, pending: list[PendingInvitation]) -> None:
    """Show the invitations that are new to this client, and forget those that ended while it was away."""
    by_room = {invitation.room: invitation.by for invitation in pending}
    for room in {**step.state.invitations, **by_room}:
        take_invitation(step, room, by_room.get(room))


def take_invitation(step: ReducerStep, room: str, by: str | None) -> None:
    """Store an invitation, and show it if it is new; with None, forget it."""
    if step.state.invitations.get(room) == by:
        return
    others = {name: inviter for name, inviter in step.state.invitations.items() if name != room}
    if by is not None:
        others[room] = by
        step.show(InvitationReceived(room, by))
    step.set_state(replace(step.state, invitations=others))
