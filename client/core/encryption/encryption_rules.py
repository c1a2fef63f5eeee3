"""Reducer for encryption: which conversations are encrypted, and what becomes of content that is encrypted. Pure."""

from dataclasses import replace
from typing import TypeVar, assert_never

import msgspec

from chatterbox.wire import codec, frames, room_names
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import Code
from client.core import direct_rooms, outbox_rules
from client.core.client_state import ReducerStep
from client.core.encryption import signed_commands
from client.core.encryption.encryption_state import EncryptionJob
from client.core.events import (
    AcceptKeys,
    CloseConnection,
    CommandSigned,
    ContentEncrypted,
    EncryptionRefused,
    KeepEncryptedDirects,
    MessagesDecrypted,
    RetryDue,
    StartTimer,
)
from client.core.notes import CommandRefused, DirectRenamed, MessageChanged, SendDelayed, SendWaits
from client.core.outbox_entry import OutboxEntry
from client.core.rooms import room_membership
from client.encryption.message_encryption import EncryptedContent, WaitReason

RETRY_S = 30.0
"""A message that waits for keys is tried again after this time (seconds), should the news of them be lost."""
FAILED_RETRY_S = 5.0

Item = TypeVar("Item")


def learn(step: ReducerStep, frame: frames.ServerFrame) -> None:
    """Learn from a frame, as the server sent it, which conversations are encrypted, before its names are translated."""
    if isinstance(frame, frames.Created):
        _learn_created(step, frame)
    if isinstance(frame, frames.Joined) and isinstance(frame.uid, str) and _is_room_encrypted_by_name(frame.room):
        _note_uids(step, {frame.room: frame.uid})
    if isinstance(frame, frames.Joined | frames.Membership | frames.TopicUpdate | frames.TopicSet):
        _forget_unreadable_topic(step, frame.room)
    if not isinstance(frame, frames.Welcome | frames.Membership | frames.DirectOpened | frames.RoomList):
        return
    me = frame.username if isinstance(frame, frames.Welcome) else step.state.username
    directs = direct_rooms.learned(step.state.encryption.directs, frame, me)
    listed = frame.rooms if isinstance(frame, frames.Welcome | frames.RoomList) else [frame]
    if isinstance(frame, frames.Welcome):
        is_possible = frame.encryption not in {"", EncryptionPolicy.OFF}
        must_be = frame.encryption == EncryptionPolicy.PRIVATE
        encryption = replace(step.state.encryption, is_possible=is_possible, private_must_be=must_be)
        step.set_state(replace(step.state, encryption=encryption))
    if directs != step.state.encryption.directs:
        has_renamed = _set_directs(step, directs, me, [each.room for each in listed])
        if has_renamed and not isinstance(frame, frames.Welcome):
            step.emit(CloseConnection())  # what is on its way was meant for the earlier names
    about_rooms = [each for each in listed if not isinstance(each, frames.Membership) or each.at is not None]
    uids = {direct_rooms.local_name(each.room, me, directs): _uid_of(each) for each in about_rooms}
    _note_uids(step, uids)


def _uid_of(room: frames.RoomState | frames.Membership | frames.DirectOpened | frames.RoomSummary) -> str:
    """What the server calls a room inside encrypted messages; empty if it is not encrypted."""
    return room.uid if room.encrypted is True and isinstance(room.uid, str) else ""


def _forget_unreadable_topic(step: ReducerStep, name: str) -> None:
    """A room has another topic, perhaps."""
    room = step.state.local_name(name)
    if room in step.state.encryption.unreadable_topics:
        unreadable = step.state.encryption.unreadable_topics - {room}
        step.set_state(replace(step.state, encryption=replace(step.state.encryption, unreadable_topics=unreadable)))


def _learn_created(step: ReducerStep, created: frames.Created) -> None:
    if room_names.is_encrypted(created.room):
        _note_uids(step, {created.room: created.uid if isinstance(created.uid, str) else ""})


def _note_uids(step: ReducerStep, uids: dict[str, str]) -> None:
    """Note what encrypted rooms are called, and which ones the server takes for plain although their names say not."""
    known, marked = step.state.encryption.uids, step.state.encryption.marked_plain
    named = {room for room, uid in uids.items() if uid}
    plain = {room for room in uids if room not in named and room not in known and _is_room_encrypted_by_name(room)}
    if (now := marked - named | plain) != marked:
        step.set_state(replace(step.state, encryption=replace(step.state.encryption, marked_plain=now)))
    if new := {room: uid for room, uid in uids.items() if uid and known.get(room) != uid}:
        step.set_state(replace(step.state, encryption=replace(step.state.encryption, uids={**known, **new})))
        for room in new:
            if step.state.encryption.waiting.get(room) is WaitReason.MARKED_PLAIN:
                encryption = step.state.encryption.with_waiting(room, None)
                step.set_state(replace(step.state, encryption=encryption))
            if room in step.state.unsent:
                outbox_rules.advance(step, room)


def _is_room_encrypted_by_name(room: str) -> bool:
    return room_names.is_encrypted(room) and not direct_rooms.is_direct(room)


def begin_encrypted(step: ReducerStep, room: str) -> str:
    """The name of a room as it is used from now on: `@bob~` begins an encrypted conversation, which is `@bob` then."""
    if not (direct_rooms.is_direct(room) and room.endswith(direct_rooms.ENCRYPTED)):
        return room
    peer, directs = direct_rooms.peer_of(room), step.state.encryption.directs
    if not directs.includes(peer):
        _set_directs(step, replace(directs, peers=directs.peers | {peer}), step.state.username, [])
    return direct_rooms.room_with(peer)


def _set_directs(step: ReducerStep, directs: direct_rooms.EncryptedDirects, me: str, named: list[str]) -> bool:
    """More conversations are encrypted: those that are not, and had the names, get others. Whether there were any."""
    before = step.state.encryption.directs
    step.set_state(replace(step.state, encryption=replace(step.state.encryption, directs=directs)))
    step.emit(KeepEncryptedDirects(directs))
    rooms = {room for room in (*step.state.streams, *step.state.read_states) if direct_rooms.is_direct(room)}
    rooms |= {
        direct_rooms.local_name(room, me, before)
        for room in named
        if direct_rooms.is_direct(room) and not room_names.is_encrypted(room)
    }
    renamed = [
        room
        for room in sorted(rooms)
        if room == direct_rooms.room_with(peer := direct_rooms.peer_of(room))
        and directs.includes(peer)
        and not before.includes(peer)
    ]
    for room in renamed:
        _rename(step, room, room + direct_rooms.PLAIN)
    return bool(renamed)


def _rename(step: ReducerStep, room: str, earlier: str) -> None:
    """What is known of `room` is about `earlier`. Messages that were never sent stay: they are sent encrypted."""

    def renamed(items: dict[str, Item]) -> dict[str, Item]:
        return {earlier if name == room else name: item for name, item in items.items()}

    def without(items: dict[str, Item]) -> dict[str, Item]:
        return {name: item for name, item in items.items() if name != room}

    state, queue = step.state, step.state.read_queue
    entries = state.unsent.get(room, ())
    unsent = without(dict(state.unsent))
    if tried := tuple(replace(entry, room=earlier) for entry in entries if entry.tried):
        unsent[earlier] = tried  # each may be stored there: its key gets the same ack
    if fresh := tuple(entry for entry in entries if not entry.tried):
        unsent[room] = fresh
    step.set_state(
        replace(
            state,
            streams=renamed(dict(state.streams)),
            topics=renamed(dict(state.topics)),
            read_states=renamed(dict(state.read_states)),
            read_queue=replace(
                queue,
                rooms=tuple(earlier if name == room else name for name in queue.rooms),
                in_flight=without(dict(queue.in_flight)),
                paused=without(dict(queue.paused)),
            ),
            held=state.held and renamed(dict(state.held)),
            unsent=unsent,
            in_flight=without(dict(state.in_flight)),
            delayed=without(dict(state.delayed)),
        )
    )
    step.show(DirectRenamed(room, earlier))


def take_encrypted(step: ReducerStep, event: ContentEncrypted) -> None:
    """Send what was encrypted; what was meanwhile taken back, changed or cut off by a lost connection is not."""
    job = step.state.encryption.jobs.get(event.job)
    if job is None:
        return
    step.set_state(replace(step.state, encryption=step.state.encryption.end(event.job)))
    match job.command:
        case frames.Send() as send:
            _send_entry(step, send, event.content)
        case frames.Edit() | frames.React() as command:
            _send_command(step, command, job, event.content)
        case frames.CreateRoom() | frames.Invite() | frames.Remove() | frames.Leave() | frames.SetTopic():
            pass  # these are signed
        case _:
            assert_never(job.command)


def take_signed(step: ReducerStep, event: CommandSigned) -> None:
    """Send what was signed, if the connection still is the one over which a person asked for it."""
    job = step.state.encryption.jobs.get(event.job)
    if job is None or isinstance(job.command, frames.Send | frames.Edit | frames.React):
        return
    step.set_state(replace(step.state, encryption=step.state.encryption.end(event.job)))
    signed_commands.send_signed(step, job.command, job, event)


def take_topic(step: ReducerStep, name: str, topic: str | None) -> None:
    """Take a topic that was decrypted, or could not be."""
    room = step.state.local_name(name)
    unreadable = step.state.encryption.unreadable_topics - {room} | ({room} if topic is None else set())
    step.set_state(replace(step.state, encryption=replace(step.state.encryption, unreadable_topics=unreadable)))
    if topic is not None:
        room_membership.take_topic(step, room, topic)


def _send_entry(step: ReducerStep, send: frames.Send, content: EncryptedContent) -> None:
    encryption = step.state.encryption.with_outdated(send.room, outdated=False)
    entry, *others = step.state.unsent.get(send.room, ()) or (None,)
    if entry is None or entry.key != send.key:  # the first one may have been taken back
        step.set_state(replace(step.state, encryption=encryption))
        outbox_rules.advance(step, send.room)
        return
    if entry.content != send.content:
        step.set_state(replace(step.state, encryption=encryption.with_outdated(send.room, outdated=True)))
        outbox_rules.advance(step, send.room)
        return
    step.set_state(replace(step.state, encryption=encryption))
    if step.state.moving:
        return  # it is sent over the next connection, as the same bytes
    clear = outbox_rules.send_command_of(entry)
    encrypted = msgspec.structs.replace(clear, content=content.envelope, recipients=content.recipients)
    if len(codec.encode(encrypted)) > step.state.limits.frame_bytes:
        outbox_rules.fail_first(step, send.room, Code.CONTENT_TOO_LONG, "The message is too large to be encrypted.")
        outbox_rules.advance(step, send.room)
        return
    in_flight = {**step.state.in_flight, send.room: step.send_command(clear, encrypted=encrypted)}
    unsent = {**step.state.unsent, send.room: (replace(entry, tried=True), *others)}
    step.set_state(replace(step.state, in_flight=in_flight, unsent=unsent))


def _send_command(
    step: ReducerStep, command: frames.Edit | frames.React, job: EncryptionJob, content: EncryptedContent
) -> None:
    recipients = content.recipients
    encrypted: frames.Edit | frames.React
    if isinstance(command, frames.Edit):
        encrypted = msgspec.structs.replace(command, content=content.envelope, recipients=recipients)
    else:
        encrypted = frames.React(
            id=0, room=command.room, offset=command.offset, envelope=content.envelope, recipients=recipients
        )
    command_id = step.send_command(command, by_person=job.entry is None, encrypted=encrypted, tries=job.tries)
    if job.entry is not None:
        outbox_rules.note_edit(step, job.entry, command_id)


def take_refused(step: ReducerStep, event: EncryptionRefused) -> None:
    """Nothing was encrypted: keep the message, and say why it waits; refuse what a person waits for."""
    job = step.state.encryption.jobs.get(event.job)
    if job is None:
        return
    step.set_state(replace(step.state, encryption=step.state.encryption.end(event.job)))
    reason = event.waits.reason
    if job.entry is None:
        is_sent = not isinstance(job.command, frames.Send | frames.Edit | frames.React) and (
            signed_commands.send_unsigned(step, job.command)
        )
        if not is_sent:
            step.show(CommandRefused(job.command, event.code or reason.value, event.detail))
    elif isinstance(job.command, frames.Edit):
        outbox_rules.put_edit_back(step, job.entry)
        _wait(step, job.entry, event)
    elif any(entry.key == job.entry.key for entry in step.state.unsent.get(job.room, ())):
        _wait(step, job.entry, event)
    else:
        outbox_rules.advance(step, job.room)


def _wait(step: ReducerStep, entry: OutboxEntry, event: EncryptionRefused) -> None:
    room, reason = entry.room, event.waits.reason
    if reason in {WaitReason.FAILED, WaitReason.RECIPIENTS_CHANGING}:
        step.set_state(replace(step.state, delayed={**step.state.delayed, room: -event.job}))
        step.emit(StartTimer(FAILED_RETRY_S, RetryDue(room, -event.job)))
        step.show(SendDelayed(entry, event.detail, FAILED_RETRY_S))
        return
    is_new = step.state.encryption.shown_reasons.get(room) != reason
    step.set_state(replace(step.state, encryption=step.state.encryption.with_waiting(room, reason)))
    step.emit(StartTimer(RETRY_S, RetryDue(room, -event.job)))
    if is_new:
        step.show(SendWaits(entry, reason, event.waits.usernames, event.detail))


def retry(step: ReducerStep, room: str, timer: int) -> None:
    """Try again a message that waits, when its timer is due."""
    if timer < 0 and room in step.state.encryption.waiting:
        step.set_state(replace(step.state, encryption=step.state.encryption.with_waiting(room, None)))
        outbox_rules.advance(step, room)


def ready(step: ReducerStep) -> None:
    """Try again every message that waits."""
    rooms = list(step.state.encryption.waiting)
    step.set_state(replace(step.state, encryption=replace(step.state.encryption, waiting={})))
    for room in rooms:
        outbox_rules.advance(step, room)


def accept_keys(step: ReducerStep, room: str) -> None:
    """The user sends although keys changed."""
    encrypted = step.state.encrypted_room(room)
    if encrypted is not None and step.state.encryption.waits_for_enter(room):
        step.emit(AcceptKeys(encrypted))
        encryption = step.state.encryption.with_waiting(room, None).with_shown(room, None)
        step.set_state(replace(step.state, encryption=encryption))
        outbox_rules.advance(step, room)


def take_decrypted(step: ReducerStep, event: MessagesDecrypted) -> None:
    """Show messages that could not be read before."""
    directs, me = step.state.encryption.directs, step.state.username
    room = direct_rooms.local_name(event.room, me, directs)
    stream = step.state.streams.get(room)
    for message in event.messages:
        if stream is None or (message.at.epoch == stream.at.epoch and message.at.offset <= stream.at.offset):
            step.show(MessageChanged(msgspec.structs.replace(message, room=room), message.username == me))


def disconnect(step: ReducerStep) -> None:
    """Forget what is being encrypted. What a person waits for is refused; messages stay in the outbox."""
    jobs = step.state.encryption.jobs.values()
    step.set_state(replace(step.state, encryption=replace(step.state.encryption, jobs={}, waiting={})))
    for job in reversed(list(jobs)):
        if job.entry is None:
            detail = "The connection was lost before it was encrypted. Try again."
            step.show(CommandRefused(job.command, "offline", detail))
        elif isinstance(job.command, frames.Edit):
            outbox_rules.put_edit_back(step, job.entry)
