"""Note reducer: applies what the core reports to the state of the screen. Pure."""

from typing import TypeAlias, assert_never

from msgspec import UNSET

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.core.direct_rooms import is_direct, peer_of
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.compose_mode import Editing
from client.screen.model.messages.message_actions import refuse_edit
from client.screen.model.messages.message_list import is_of_pins
from client.screen.model.messages.thread_model import is_of_thread
from client.screen.model.rooms.read_progress import is_told
from client.screen.model.scroll_position import message_key
from client.text import note_text
from client.text.sanitize import inert
from client.text.suggestions import how_to_confirm, unknown_room, unknown_user

_ConnectionNote: TypeAlias = (
    notes.Connecting | notes.WelcomeReceived | notes.Disconnected | notes.Reconnecting | notes.SessionOver
)
_RoomNote: TypeAlias = (
    notes.CatchingUp
    | notes.CaughtUp
    | notes.RoomEntered
    | notes.RoomReset
    | notes.MessagesMissing
    | notes.RoomGone
    | notes.TopicChange
)
_Reply: TypeAlias = notes.CommandAnswered | notes.CommandRefused | notes.ServerError


def apply(model: ChatModel, note: notes.Note) -> None:
    """Apply one note. Notes must be applied in order."""
    match note:
        case notes.MessageShown(message, mine):
            _add_message(model, message, mine=mine)
        case notes.SendStored(entry, at):
            model.ensure_room(entry.room).add_acked(entry, at.offset)
        case notes.MessageChanged(message):
            _note_reaction(model, note)
            _change_message(model, message)
        case notes.SendFailed(entry) | notes.SendDelayed(entry):
            _show(model, note, entry.room)
        case notes.SendWaits(entry):
            for room in dict.fromkeys((entry.room, model.room.name)):  # it may be written in another room, by /msg
                _show(model, note, room)
        case notes.DirectRenamed(room, earlier):
            model.ensure_room(room).reset()
            model.directory.set_member(earlier, True, private=True)
            _show(model, note, room)
        case notes.InvitationReceived():
            _show(model, note)
        case notes.QueuedOffline():
            pass  # the outgoing message itself shows that it is queued
        case (
            notes.PresenceTold() | notes.ProfileTold() | notes.TypingTold() | notes.ReceiptsTold() | notes.AwayChanged()
        ):
            pass  # the screen does not draw them yet
        case notes.ReadStateTold(name, state):
            model.take_read_state(name, state)
        case (
            notes.Connecting()
            | notes.WelcomeReceived()
            | notes.Disconnected()
            | notes.Reconnecting()
            | notes.SessionOver()
        ):
            _apply_connection(model, note)
        case (
            notes.CatchingUp()
            | notes.CaughtUp()
            | notes.RoomEntered()
            | notes.RoomReset()
            | notes.MessagesMissing()
            | notes.RoomGone()
            | notes.TopicChange()
        ):
            _apply_room(model, note)
        case notes.KeysTold():
            _show(model, note)
        case notes.MembershipChange(change, mine):
            _change_member(model, change, mine=mine)
        case notes.CommandAnswered() | notes.CommandRefused() | notes.ServerError():
            _apply_reply(model, note)
        case _:
            assert_never(note)


def _show(model: ChatModel, note: notes.Note, room: str | None = None) -> None:
    """Show the sentence for a note, if it has one, in a room or in the open one."""
    model.notice(note_text.sentence(note, model.server, model.status.username), room)


def _add_message(model: ChatModel, message: frames.Message, *, mine: bool) -> None:
    room = model.ensure_room(message.room)
    room.add_message(message, mine=mine, visible=model.shows_next(message), me=model.status.username)
    if mine:
        model.report_read(room)


def _change_message(model: ChatModel, message: frames.Message) -> None:
    if model.listing is not None:
        model.listing.change(message)
    if (room := model.rooms.get(message.room)) is None:
        return
    was_edited = isinstance(room.input.mode, Editing) and room.input.mode.offset == message.at.offset
    room.change_message(message, model.status.username)
    if was_edited and room.input.mode is None:
        model.notice("The message that you were editing was deleted.", room.name)


def _note_reaction(model: ChatModel, change: notes.MessageChanged) -> None:
    """Note a reaction of the user's own, from any device."""
    if change.by == model.status.username and change.did in {"react", "unreact"}:
        own = model.ensure_room(change.message.room).own_reactions
        own.note(change.message.at.offset, change.what, removed=change.did == "unreact")


# The connection.


def _apply_connection(model: ChatModel, note: _ConnectionNote) -> None:
    match note:
        case notes.Connecting():
            model.status.mark_connecting()
        case notes.WelcomeReceived():
            _connect(model, note)
        case notes.Disconnected(reason, retry_s):
            model.status.mark_disconnected(reason, retry_s)
            for room in model.rooms.values():
                room.pages.forget()
        case notes.Reconnecting():
            model.status.mark_moving()
        case notes.SessionOver(_, reason):
            model.status.mark_ended(reason)
        case _:
            assert_never(note)


def _connect(model: ChatModel, note: notes.WelcomeReceived) -> None:
    model.status.mark_connected(note.username, note.server)
    members = {state.room for state in note.rooms}
    for room in model.rooms.values():
        was_member = room.member
        if room.name not in members:
            model.directory.set_member(room.name, False)
        if was_member and not room.member and not note.again and room.name != model.joining:
            _show(model, notes.RoomGone(room.name))  # after a reconnect the core itself reports it
        room.stop_catch_up()
        room.own_reactions.ask_again()
        room.pages.forget()
    is_first_run = not any(room.log.epoch for room in model.rooms.values())
    for state in note.rooms:
        model.directory.set_member(state.room, True, private=state.private)
        if not note.again or not model.rooms[state.room].log.epoch:
            _resume(model, state, is_new=is_direct(state.room) and not is_first_run)
    model.room_lists.refresh()
    if not note.again:
        rooms = (state.room for state in note.rooms if not is_told(state))
        model.backfill.start(name for name in rooms if model.rooms[name].unread)
    model.continue_backfill()


def _resume(model: ChatModel, state: frames.RoomState, *, is_new: bool) -> None:
    """Continue a room from its saved read marker, unless the server has another history.

    `is_new`: without a saved read marker, nothing of it is read.
    """
    room = model.ensure_room(state.room)
    if room.is_outdated(state):
        room.reset()
        if not state.encrypted:  # what an encrypted one replaces are the messages from before it was encrypted
            _show(model, notes.RoomReset(state.room, state.at), state.room)
    room.resume(state, model.status.username, is_new=is_new)


# Rooms.


def _apply_room(model: ChatModel, note: _RoomNote) -> None:
    match note:
        case notes.CatchingUp(name, count):
            model.ensure_room(name).begin_catch_up(count)
        case notes.CaughtUp(name):
            model.ensure_room(name).finish_catch_up()
        case notes.RoomEntered():
            _enter(model, note)
        case notes.RoomReset(name, at):
            room = model.ensure_room(name)
            room.reset(at.epoch, at.offset)
            if room is model.room:
                model.position.follow()
            _show(model, note, name)
        case notes.MessagesMissing(name):
            _show(model, note, name)
        case notes.RoomGone(name, reason):
            _leave(model, name, deleted=reason is notes.GoneReason.DELETED)
            model.cancel_join(name)
            _show(model, note, name)
        case notes.TopicChange(name, topic):
            model.ensure_room(name, member=False).set_topic(topic)  # it comes before the note that the user joined
            _show(model, note, name)
        case _:
            assert_never(note)


def _leave(model: ChatModel, name: str, *, deleted: bool) -> None:
    """The user is no longer in a room. The messages of a deleted one are dropped: another may be created."""
    model.directory.set_member(name, False)
    if deleted:
        model.ensure_room(name).reset()


def _enter(model: ChatModel, note: notes.RoomEntered) -> None:
    name, messages = note.room, note.messages
    room = model.ensure_room(name, member=False)
    if messages and room.log.epoch not in ("", messages[0].at.epoch):
        room.reset(messages[0].at.epoch)  # another room of this name, created while this client did not know
    was_member = room.member
    is_new = not (was_member and room.log.epoch)
    model.directory.set_member(name, True)
    room.add_page(messages, begins=not messages)
    if is_new:
        room.progress.mark_all_read()
        model.report_read(room)
    else:
        room.progress.recount(model.status.username)
    if not was_member:
        _show(model, note, name)
    if model.joining == name:
        model.open_room(name)


def _change_member(model: ChatModel, change: frames.Membership, *, mine: bool) -> None:
    """Show who joined or left. An invitation of the user is shown in the open room."""
    by_user = change.by == model.status.username or (mine and change.by is None)
    awaits_reply = by_user and change.member and model.joining == change.room
    if mine and not awaits_reply:
        model.directory.set_member(change.room, change.member, private=change.private if change.member else None)
        if change.member and change.at is not None:
            _begin(model, change.room, change.at, change.read)
    if mine or change.room in model.rooms:
        _show(model, notes.MembershipChange(change, mine), None if mine and change.member else change.room)


def _begin(model: ChatModel, name: str, at: Position, read: int) -> None:
    """The user came into a room elsewhere: what it has up to `read` is read."""
    room = model.ensure_room(name)
    if room.log.epoch not in ("", at.epoch):
        room.reset()
    if not room.log.epoch:
        room.log.set_epoch(at.epoch)
        room.progress.begin(at.offset, read)


# Replies to commands.


def _apply_reply(model: ChatModel, note: _Reply) -> None:
    match note:
        case notes.CommandAnswered(frames.ReadHistory() as request, frames.Page() as page) if is_of_pins(request):
            _fill_listing(model, request, page)
        case notes.CommandAnswered(frames.ReadHistory() as request, frames.Page() as page) if is_of_thread(request):
            _add_replies(model, request, page)
        case notes.CommandAnswered(frames.ReadHistory() as request, frames.Page() as page):
            _add_page(model, request, page)
            _finish_backfill_page(model, request)
        case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
            _receive_rooms(model, rooms)
        case notes.CommandAnswered(_, frames.Pong()):
            pass
        case notes.CommandAnswered(command, frames.Changed()):
            _finish_change(model, command)
        case notes.CommandAnswered(_, frames.Created(room=name, private=private)):
            model.directory.set_member(name, True, private=private)
            model.join(name)  # the creator is a member already; this opens the room
            _show(model, note, name)
        case notes.CommandAnswered(_, reply):
            _show(model, note)
            if isinstance(reply, frames.Left | frames.DeletedRoom):
                _leave(model, reply.room, deleted=isinstance(reply, frames.DeletedRoom) or reply.deleted)
        case notes.CommandRefused(frames.ReadHistory() as request) if is_of_pins(request):
            if model.listing is not None and model.listing.answers(request):
                model.listing.refuse(note_text.sentence(note, model.server) or "")
        case notes.CommandRefused(frames.ReadHistory() as request):
            if request.around is not UNSET or is_of_thread(request):
                _show(model, note, request.room)
            model.history_pages.give_up(request)
            model.ensure_room(request.room).pages.refuse(request)
            _finish_backfill_page(model, request)
        case notes.CommandRefused(frames.ListRooms() | frames.Ping()) if not model.room_lists.waits:
            pass  # the client asked for it by itself
        case notes.CommandRefused():
            _refuse(model, note)
        case notes.ServerError():
            _show(model, note)
        case _:
            assert_never(note)


def _add_page(model: ChatModel, request: frames.ReadHistory, page: frames.Page) -> None:
    room = model.ensure_room(page.room)
    was_first = room.log.first
    if room.receive_page(request, page, model.status.username) and room is model.room:
        model.adjust_position(was_first)


def _fill_listing(model: ChatModel, request: frames.ReadHistory, page: frames.Page) -> None:
    """Take the pinned messages: they are no range, so the log takes only their state."""
    for message in page.messages:
        _change_message(model, message)
    if model.listing is not None and model.listing.answers(request):
        model.listing.fill(page)


def _add_replies(model: ChatModel, request: frames.ReadHistory, page: frames.Page) -> None:
    """Take replies of a thread. If its beginning is at the top of the screen, hold the reply below it."""
    room = model.ensure_room(page.room)
    was_first = model.thread.first_reply if model.thread is not None else None
    room.receive_replies(request, page)
    if model.thread is not None and room is model.room:
        model.position.keep_first_message(was_first, below=message_key(model.thread.root))


def _finish_change(model: ChatModel, command: frames.Command) -> None:
    """The server stored a change; the push that follows shows it."""
    match command:
        case frames.Edit(room=name, offset=offset):
            model.ensure_room(name).input.finish_edit(offset)
        case frames.React(room=name, offset=offset, emoji=emoji, remove=remove):
            model.ensure_room(name).own_reactions.note(offset, emoji, removed=remove)
        case _:
            pass  # what was deleted or pinned shows itself


def _finish_backfill_page(model: ChatModel, request: frames.ReadHistory) -> None:
    if model.backfill.finish_page(request):
        model.continue_backfill()


def _receive_rooms(model: ChatModel, rooms: list[frames.RoomSummary]) -> None:
    model.directory.set_listed(rooms)
    if (command := model.room_lists.take_unknown()) is not None:
        room = model.rooms.get(command.room)
        was_left = room is not None and room.private and not room.member
        model.notice(unknown_room(command, command.room, [room.room for room in rooms], left=was_left))
    elif model.room_lists.waits:
        model.room_lists.finish()
        for text in note_text.room_lines(rooms):
            model.notice(text)


def _refuse(model: ChatModel, refusal: notes.CommandRefused) -> None:
    """Show why a command was refused, and which name was probably meant."""
    sentence = note_text.sentence(refusal, model.server, model.status.username)
    match refusal.command, refusal.code:
        case (
            frames.Join() | frames.Leave() | frames.Invite() | frames.Remove() | frames.DeleteRoom() | frames.SetTopic()
        ) as command, Code.ROOM_UNKNOWN:
            model.room_lists.look_up(command)
        case frames.Leave(room=room), Code.LAST_MEMBER:
            model.notice(how_to_confirm(refusal.detail, room))
        case frames.Invite(username=username) | frames.Remove(username=username), Code.USER_UNKNOWN:
            model.notice(unknown_user(sentence or "", username, [*model.active_people(), *model.known_people]))
        case frames.Join(room=room), Code.USER_UNKNOWN:
            model.notice(unknown_user(sentence or "", peer_of(room), [*model.active_people(), *model.known_people]))
        case frames.Edit() as command, code:
            refuse_edit(model, command, inert(refusal.detail), changed=code == Code.CHANGED_MEANWHILE)
        case _:
            model.notice(sentence)
    if isinstance(refusal.command, frames.Join):
        _fail_join(model, refusal.command.room)


def _fail_join(model: ChatModel, name: str) -> None:
    model.cancel_join(name)
    if name in model.rooms and not model.rooms[name].log:
        model.directory.set_member(name, False)
