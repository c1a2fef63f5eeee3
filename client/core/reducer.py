"""The reducer: takes a state and an event, returns the new state and the effects. Pure, so tests can try any order.

It handles the connection's life cycle; `client.core.rooms` handles rooms, `client.core.room_list` the list
of rooms, `client.core.outbox_rules` the outbox, `client.core.read_state` how far the user has read, and
`client.core.people` other users and what is on the screen.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

import msgspec

from chatterbox.wire import close_codes, frames, room_names
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import Code
from client.core import (
    command_pace,
    direct_rooms,
    events,
    notes,
    outbox_rules,
    reconnect_delay,
    room_list,
)
from client.core.client_state import ClientState, ConnectionPhase, PendingCommand, ReducerStep
from client.core.encryption import encrypted_sends, encryption_rules, signed_commands
from client.core.frame_decoder import UNREADABLE
from client.core.people import device_rules, people_rules, screen_rules
from client.core.read_state import read_rules
from client.core.rooms import (
    changed_messages,
    page_requests,
    pending_commands,
    request_retry,
    room_joins,
    room_membership,
    room_messages,
    room_resume,
)

QUIET_RETRY_S = reconnect_delay.FIRST_MINUTE_CAP_S
"""Attempts to connect that follow a wait of at most this are not shown one by one (seconds)."""
STABLE_S = 5.0
"""A connection that lasts this long counts as stable, and resets the backoff (seconds)."""


def reduce(state: ClientState, event: events.Event) -> tuple[ClientState, list[events.Effect]]:
    """Return the state after `event`, and the effects to perform. After the end, events change nothing."""
    if state.phase is ConnectionPhase.ENDED:
        return state, []
    step = ReducerStep(state)
    _take(step, event)
    for effect in step.effects:
        if isinstance(effect, events.SendCommand):
            _require_encrypted(step.state, effect.command)
    return step.state, step.effects


def _require_encrypted(state: ClientState, command: frames.Command) -> None:
    """Raise `UnencryptedSendError` instead of sending text to an encrypted room, whatever the rules decided."""
    if (room := getattr(command, "room", "")) and isinstance(room, str):
        is_encrypted = room_names.is_encrypted(room) or room in state.encryption.uids
        encrypted_sends.require_encrypted(command, is_encrypted=is_encrypted)


def _take(step: ReducerStep, event: events.Event) -> None:
    match event:
        case events.FrameReceived(frame):
            encryption_rules.learn(step, frame)
            encrypted = step.state.encryption.directs
            _take_frame(step, direct_rooms.from_server(frame, step.state.username, encrypted))
        case events.MessageQueued(entry):
            outbox_rules.queue(step, replace(entry, room=encryption_rules.begin_encrypted(step, entry.room)))
        case events.EntryTakenBack(key):
            outbox_rules.take_back(step, key)
        case events.EntryEdited(key, text):
            outbox_rules.edit(step, key, text)
        case events.CommandRequested(command, history):
            _request(step, command, history)
        case events.RoomRequested(room):
            room_joins.join(step, encryption_rules.begin_encrypted(step, room))
        case (
            events.ContentEncrypted()
            | events.CommandSigned()
            | events.HistoryShared()
            | events.EncryptionRefused()
            | events.EncryptionReady()
            | events.MessagesDecrypted()
            | events.TopicDecrypted()
            | events.KeysAccepted()
        ):
            _take_encryption_event(step, event)
        case events.RoomRead(room, offset, turn):
            read_rules.read(step, room, offset, turn)
        case events.RoomMarkedUnread(room, offset):
            read_rules.mark_unread(step, room, offset)
        case (
            events.PeopleShown()
            | events.RoomLooked()
            | events.UserTyped()
            | events.TypingShared()
            | events.DeviceUsed()
            | events.AwaySet()
        ):
            _take_people_request(step, event)
        case events.QuitRequested():
            read_rules.flush(step)
            _end(step, notes.SessionOver(None, "You left."))
        case (
            events.ReplyOverdue()
            | events.RetryDue()
            | events.PageDue()
            | events.ReadDue()
            | events.PaceDue()
            | events.TellDue()
            | events.TypingDue()
            | events.TypingOver()
            | events.MinuteOver()
            | events.ConnectionStable()
            | events.MoveDue()
        ):
            _take_timer(step, event)
        case events.Started() | events.HandshakeDone() | events.TokenRenewed() | events.ConnectionLost():
            _take_connection_event(step, event)
        case _:
            assert_never(event)


def _request(step: ReducerStep, command: frames.Command, history: NewcomerHistory | None) -> None:
    """Send what a person asks for; in an encrypted room, texts and reactions are encrypted first, changes signed."""
    if isinstance(command, frames.CreateRoom):
        command = signed_commands.as_server_takes_it(step.state, command)
    match command:
        case frames.CreateRoom() | frames.Invite() | frames.Remove() | frames.Leave() | frames.SetTopic() if (
            step.state.phase is ConnectionPhase.LIVE and signed_commands.needs_signing(step.state, command)
        ):
            signed_commands.sign(step, command, history=history)
        case frames.Edit() | frames.React() if step.state.phase is ConnectionPhase.LIVE and step.state.is_encrypted(
            command.room
        ):
            encrypted_sends.encrypt_command(step, command)
        case frames.Direct(username=username, encrypted=msgspec.UNSET):
            is_encrypted = step.state.is_encrypted(direct_rooms.room_with(username))
            step.send_for_person(msgspec.structs.replace(command, encrypted=is_encrypted or msgspec.UNSET))
        case _:
            step.send_for_person(command)


def _take_encryption_event(step: ReducerStep, event: events.EncryptionEvent | events.KeysAccepted) -> None:
    match event:
        case events.ContentEncrypted():
            encryption_rules.take_encrypted(step, event)
        case events.CommandSigned():
            encryption_rules.take_signed(step, event)
        case events.EncryptionRefused():
            encryption_rules.take_refused(step, event)
        case events.EncryptionReady():
            encryption_rules.ready(step)
        case events.MessagesDecrypted():
            encryption_rules.take_decrypted(step, event)
        case events.HistoryShared(answered):
            step.show(answered)
        case events.TopicDecrypted(room, topic):
            encryption_rules.take_topic(step, room, topic)
        case events.KeysAccepted(room):
            encryption_rules.accept_keys(step, room)
        case _:
            assert_never(event)


def _take_people_request(step: ReducerStep, request: events.PeopleRequest) -> None:
    match request:
        case events.PeopleShown(usernames):
            screen_rules.show_people(step, usernames)
        case events.RoomLooked(room):
            screen_rules.look(step, room)
        case events.UserTyped(room):
            screen_rules.type_in(step, room)
        case events.TypingShared(is_on):
            screen_rules.share_typing(step, is_on=is_on)
        case events.DeviceUsed():
            device_rules.use(step)
        case events.AwaySet(is_away):
            device_rules.set_away(step, is_away=is_away)
        case _:
            assert_never(request)


def _take_connection_event(
    step: ReducerStep,
    event: events.Started | events.HandshakeDone | events.TokenRenewed | events.ConnectionLost,
) -> None:
    match event:
        case events.Started(entries, username, encrypted):
            encryption = replace(step.state.encryption, directs=encrypted)
            step.set_state(replace(step.state, username=username or step.state.username, encryption=encryption))
            outbox_rules.restore(step, entries)
            step.show(notes.Connecting())
            step.emit(events.Dial(0.0))
        case events.HandshakeDone(held):
            step.set_state(replace(step.state, phase=ConnectionPhase.CONNECTING))
            points = room_resume.resume_points(step, held)
            step.emit(events.SendConnect(points if step.state.names_rooms else {}))
        case events.TokenRenewed():
            if step.state.phase is ConnectionPhase.LIVE:
                step.emit(events.SendConnect({}, step.state.next_id))
                step.set_state(replace(step.state, next_id=step.state.next_id + 1))
        case events.ConnectionLost():
            _disconnect(step, event)
        case _:
            assert_never(event)


def _take_timer(step: ReducerStep, timer: events.Timer) -> None:
    """Act on a timer; one of an earlier connection changes nothing."""
    match timer:
        case events.ReplyOverdue(command_id):
            if command_id in step.state.pending:
                step.emit(events.CloseConnection())
        case events.RetryDue(room, command_id):
            outbox_rules.retry(step, room, command_id)
            encryption_rules.retry(step, room, command_id)
            request_retry.retry(step, room, command_id)
        case events.PageDue(command_id):
            room_list.retry(step, command_id)
        case events.ReadDue(room, pause):
            read_rules.resume(step, room, pause)
        case events.PaceDue(number):
            _refill(step, number)
        case events.TellDue(number):
            screen_rules.resume(step, number)
        case events.TypingDue(room, number):
            screen_rules.resume_typing(step, room, number)
        case events.TypingOver(number):
            people_rules.end_typing(step, number)
        case events.MinuteOver():
            device_rules.end_minute(step)
        case events.ConnectionStable(connection):
            if _is_current(step, connection):
                step.set_state(replace(step.state, attempt=0, waited_s=0.0))
        case events.MoveDue(connection):
            if _is_current(step, connection):
                step.set_state(replace(step.state, moving=True))
                _close_if_moving(step)
        case _:
            assert_never(timer)


def _refill(step: ReducerStep, timer: int) -> None:
    """Let more commands be sent; a timer that another has replaced changes nothing."""
    if timer != step.state.pace.timer:
        return
    pace, starts_timer = command_pace.refill(step.state.pace)
    step.set_pace(pace, refill_s=command_pace.REFILL_S if starts_timer else None)
    read_rules.advance(step)
    screen_rules.advance(step)
    page_requests.request_pages(step)


def _is_current(step: ReducerStep, connection: int) -> bool:
    return connection == step.state.connection and step.state.phase is ConnectionPhase.LIVE


def _close_if_moving(step: ReducerStep) -> None:
    """Close a connection that has to move as soon as no message is in flight, so that every send gets its reply."""
    if step.state.moving and not step.state.in_flight:
        step.emit(events.CloseConnection())


def _take_frame(step: ReducerStep, frame: frames.ServerFrame) -> None:
    match frame:
        case frames.Welcome():
            _take_welcome(step, frame)
        case frames.Message():
            room_messages.take_message(step, frame)
            if step.state.people.typing.who:
                people_rules.take_message(step, frame)
        case frames.Change():
            changed_messages.take_change(step, frame)
        case frames.Membership():
            room_membership.take_membership(step, frame)
        case frames.TopicUpdate(room=room, topic=topic, by=by):
            room_membership.take_topic(step, room, topic, by=by)
        case frames.InvitationUpdate(room=room, by=by, pending=pending):
            room_membership.take_invitation(step, room, by if pending else None)
        case frames.Own():
            read_rules.take_own(step, frame)
        case frames.PresenceUpdate():
            people_rules.take_presence(step, frame)
        case frames.ProfileUpdate():
            people_rules.take_profile(step, frame)
        case frames.TypingUpdate():
            people_rules.take_typing(step, frame)
        case frames.Seen():
            people_rules.take_seen(step, frame)
        case frames.ToDevice() | frames.RecipientsUpdate() | frames.DeviceListUpdate() | frames.DevicePending():
            pass
        case frames.Move(after_ms=after_ms):
            step.emit(events.StartTimer(after_ms / 1000, events.MoveDue(step.state.connection)))
        case _:
            _take_reply(step, frame)
            _close_if_moving(step)


def _take_welcome(step: ReducerStep, welcome: frames.Welcome) -> None:
    again, connection = step.state.connection > 0, step.state.connection + 1
    state = replace(step.state, phase=ConnectionPhase.LIVE, username=welcome.username, limits=welcome.limits)
    pace = command_pace.full(welcome.limits, state.pace.timer)
    step.set_state(replace(state, connection=connection, disconnect_shown=False, pace=pace, names_rooms=True))
    step.show(
        notes.WelcomeReceived(welcome.username, tuple(welcome.rooms), step.state.unsent_count, again, welcome.server)
    )
    step.emit(events.StartTimer(STABLE_S, events.ConnectionStable(connection)))
    room_resume.take_welcome(step, welcome.rooms)
    read_rules.take_welcome(step, welcome.rooms)
    room_membership.take_invitations(step, welcome.invitations)
    if step.state.unsent:
        step.emit(events.MarkTried())
    outbox_rules.advance_all(step)
    screen_rules.advance(step)


def _disconnect(step: ReducerStep, lost: events.ConnectionLost) -> None:
    """Reconnect after a while, or end if the close code forbids it."""
    if _is_too_large(step.state, lost.code):
        step.set_state(replace(step.state, names_rooms=False))
    elif lost.code is not None and not close_codes.may_reconnect(lost.code):
        _end(step, notes.SessionOver(lost.code, lost.why))
        return
    state, unanswered = step.state, step.state.pending
    delay_s = reconnect_delay.delay_s(state.attempt, lost.roll, state.waited_s)
    wait_s = 0.0 if state.moving else max(lost.after_s, delay_s)
    _show_disconnect(step, lost.why, wait_s)
    step.set_state(
        replace(
            step.state,
            phase=ConnectionPhase.OFFLINE,
            moving=False,
            attempt=state.attempt + 1,
            waited_s=state.waited_s + wait_s,
            pending={},
        )
    )
    outbox_rules.disconnect(step)
    encryption_rules.disconnect(step)
    room_resume.disconnect(step)
    read_rules.disconnect(step)
    screen_rules.disconnect(step)
    people_rules.disconnect(step)
    _refuse_unanswered(step, unanswered.values())
    step.emit(events.Dial(wait_s))


def _is_too_large(state: ClientState, code: int | None) -> bool:
    """Whether the server refused a `connect` that named rooms as too large; its limit is not known before a welcome."""
    is_connecting = state.phase is ConnectionPhase.CONNECTING and state.names_rooms
    return code == CloseCode.TOO_BIG and is_connecting and bool(state.streams)


def _show_disconnect(step: ReducerStep, why: str, wait_s: float) -> None:
    state = step.state
    if state.moving:
        step.show(notes.Reconnecting())
        return
    repeated = state.disconnect_shown and wait_s <= QUIET_RETRY_S
    step.show(
        notes.Disconnected(
            why, wait_s, state.unsent_count, was_live=state.phase is ConnectionPhase.LIVE, repeated=repeated
        )
    )
    step.set_state(replace(state, disconnect_shown=True))


def _refuse_unanswered(step: ReducerStep, unanswered: Iterable[PendingCommand]) -> None:
    for pending in unanswered:
        if pending.by_person and not isinstance(pending.command, frames.Join | frames.Direct):
            detail = "The connection was lost before the reply arrived. Check the result and try again."
            step.show(notes.CommandRefused(pending.command, "offline", detail))


def _end(step: ReducerStep, ended: notes.SessionOver) -> None:
    step.set_state(replace(step.state, phase=ConnectionPhase.ENDED))
    step.show(ended)
    step.emit(events.Stop(ended))


def _take_reply(step: ReducerStep, reply: frames.Reply) -> None:
    pending = step.take_pending(reply.id)
    if pending is None:
        if isinstance(reply, frames.ErrorFrame) and reply.code not in {*outbox_rules.SESSION_ERRORS, UNREADABLE}:
            step.show(notes.ServerError(reply.detail))  # after a session error, the close code says why
        return
    _answer(step, pending, reply)
    if isinstance(pending.command, frames.ReadHistory | frames.ReadChanges):
        page_requests.request_pages(step)  # another room may have waited for this one


def _answer(step: ReducerStep, pending: PendingCommand, reply: frames.Reply) -> None:
    match pending.command, reply:
        case _, frames.ErrorFrame():
            _take_refusal(step, pending, reply)
        case frames.Send() as send, frames.Sent():
            outbox_rules.acknowledge(step, send, reply)
        case frames.Edit() as edit, frames.Changed() if not pending.by_person:
            outbox_rules.finish_edit(step, edit)
        case frames.MarkRead() as command, frames.ReadSet() if not pending.by_person:
            read_rules.take_read_set(step, command, reply)
        case frames.Look() | frames.SetStatus() as command, frames.Noted() if not pending.by_person:
            screen_rules.confirm(step, command)
        case frames.Watch() as command, frames.Watched() if not pending.by_person:
            people_rules.take_watched(step, reply)
            screen_rules.confirm(step, command)
        case frames.Join() as join, frames.Joined():
            room_joins.take_joined(step, reply, join.room)
            outbox_rules.advance(step, reply.room)
        case frames.Direct() as direct, frames.DirectOpened():
            _take_opened(step, pending, direct, reply)
        case _, frames.Page() if not pending.by_person:
            room_messages.take_page(step, reply)
        case _, frames.ChangesPage() if not pending.by_person:
            changed_messages.take_changes(step, reply)
        case frames.ListRooms(), frames.RoomList():
            room_list.take_page(step, pending, reply)
        case command, _:
            _show_reply(step, command, reply, pending.earlier)


def _take_opened(
    step: ReducerStep, pending: PendingCommand, direct: frames.Direct, opened: frames.DirectOpened
) -> None:
    """Take an opened conversation, unless the server opened one that is not encrypted in the place of one that is."""
    if direct.encrypted is True and not opened.encrypted:
        refusal = frames.ErrorFrame(code=Code.ENCRYPTION_OFF, detail="", id=direct.id)
        _take_refusal(step, pending, refusal)
        return
    if pending.by_person and opened.room in step.state.joining:
        room_joins.join_opened(step, opened.room)
    elif pending.by_person:
        _show_reply(step, direct, opened)
    outbox_rules.advance(step, opened.room)


def _show_reply(step: ReducerStep, command: frames.Command, reply: frames.Reply, earlier: int | None = None) -> None:
    """Show the reply to a requested command; some start or end a room's stream."""
    match reply:
        case frames.Created():
            room_membership.start(step, reply.room, reply.at, 0)
        case frames.Left() | frames.DeletedRoom():
            room_membership.leave(step, reply.room)
        case frames.ChangesPage():
            changed_messages.show_changes(step, reply)
        case frames.NotifySet():
            read_rules.take_notify(step, reply)
        case frames.Watched():
            people_rules.take_watched(step, reply)
            if isinstance(command, frames.Watch):
                screen_rules.confirm(step, command)
        case frames.TopicSet():
            room_membership.take_topic(step, reply.room, reply.topic, by=step.state.username)
        case _:
            pass  # other replies change no stream
    answered = notes.CommandAnswered(command, reply, earlier)
    if earlier and isinstance(command, frames.Invite) and (room := step.state.encrypted_room(command.room)):
        step.emit(events.ShareHistory(room, answered))
        return
    step.show(answered)
    if isinstance(reply, frames.Page):
        room_messages.hold_page(step, reply)


def _take_refusal(step: ReducerStep, pending: PendingCommand, error: frames.ErrorFrame) -> None:
    temporary = outbox_rules.is_temporary(error)
    match pending.command:
        case frames.Send() as send:
            outbox_rules.refuse(step, send, error)
        case frames.Edit() as edit if not pending.by_person:
            outbox_rules.refuse_edit(step, edit, error)
        case frames.Join() as join:
            room_joins.refuse_join(step, join, error, temporary=temporary)
            outbox_rules.advance(step, join.room)
        case frames.Direct() as direct:
            _refuse_direct(step, pending, direct, error)
        case frames.ReadHistory() as history if not pending.by_person:
            room_messages.refuse_page(step, history, error, temporary=temporary)
        case frames.ReadChanges() as command if not pending.by_person:
            changed_messages.refuse_changes(step, command, error, temporary=temporary)
        case frames.MarkRead() as command if not pending.by_person:
            read_rules.refuse(step, command, error, temporary=temporary)
        case frames.Look() | frames.Watch() | frames.SetStatus() as command if not pending.by_person:
            screen_rules.refuse(step, command, error, temporary=temporary)
        case frames.ListRooms() as command:
            room_list.refuse_page(step, pending, command, error)
        case frames.Edit() | frames.React() as command if (
            encrypted_sends.is_stale(error) and pending.tries < encrypted_sends.MAX_TRIES
        ):
            encrypted_sends.encrypt_command(step, command, pending.tries + 1)
        case frames.CreateRoom() | frames.Invite() | frames.Remove() | frames.Leave() | frames.SetTopic() as command:
            signed_commands.take_refusal(step, command, error, pending.tries)
        case command:
            step.show(notes.CommandRefused(command, error.code, error.detail))


def _refuse_direct(step: ReducerStep, pending: PendingCommand, direct: frames.Direct, error: frames.ErrorFrame) -> None:
    """A conversation was not opened: refuse the join, or the message that waits for it."""
    room = pending_commands.room_of(direct)
    if error.code == Code.ENCRYPTION_OFF:
        error = msgspec.structs.replace(error, detail=room_joins.downgraded(room))
    temporary = outbox_rules.is_temporary(error)
    if pending.by_person:
        room_joins.refuse_join(step, frames.Join(id=direct.id, room=room), error, temporary=temporary)
        outbox_rules.advance(step, room)
    else:
        outbox_rules.refuse_opening(step, room, direct.id, error)
