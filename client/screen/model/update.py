"""What each of the core's notes changes on the screen. Pure."""

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.screen.layout.message_blocks import BlockKey
from client.screen.model import mention_backfill
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import EnterRoom, RequestCommand
from client.text import note_text
from client.text.sanitize import inert, inert_name
from client.text.suggestions import unknown_room, unknown_user


def take(model: ChatModel, note: object) -> None:
    """Take a note of the core's."""
    match note:
        case notes.MessageShown(message, mine):
            _said(model, message, mine=mine)
        case notes.SendStored(entry, at):
            model.place(entry.room).land(entry, at.offset)
        case (
            notes.Connecting()
            | notes.WelcomeReceived()
            | notes.Disconnected()
            | notes.Reconnecting()
            | notes.SessionOver()
        ):
            _connection(model, note)
        case (
            notes.CatchingUp()
            | notes.CaughtUp()
            | notes.RoomEntered()
            | notes.RoomReset()
            | notes.MessagesMissing()
            | notes.RoomGone()
        ):
            _of_room(model, note)
        case notes.CommandAnswered() | notes.CommandRefused() | notes.ServerError():
            _answer(model, note)
        case notes.MembershipChange(change, mine):
            _changed(model, change, mine=mine)
        case notes.TopicChange(name, topic, by):
            model.place(name).topic = topic
            if by != model.status.username:
                model.notice(note_text.sentence(note, model.server), name)
        case notes.SendFailed(entry):
            model.notice(note_text.sentence(note, model.server), entry.room)
        case notes.SendDelayed(entry):
            model.notice(note_text.sentence(note, model.server), entry.room)


def _said(model: ChatModel, message: frames.Message, *, mine: bool) -> None:
    room = model.place(message.room)
    room.said(message, mine=mine, seen=room is model.room and model.is_seen, me=model.status.username)


def _connection(model: ChatModel, note: object) -> None:
    status = model.status
    match note:
        case notes.Connecting():
            status.state = "connecting"
        case notes.WelcomeReceived():
            _connected(model, note)
        case notes.Disconnected(why, retry_s):
            status.live, status.lag_ms = False, None
            status.state, status.retry_s = f"offline: {inert(why).rstrip('.')}", retry_s
            for room in model.rooms.values():
                room.ask_again()
        case notes.Reconnecting():
            status.live, status.state, status.retry_s = False, "moving to another gateway", None
        case notes.SessionOver(_, why):
            status.live, status.state, status.retry_s = False, f"ended: {inert(why).rstrip('.')}", None


def _connected(model: ChatModel, note: notes.WelcomeReceived) -> None:
    status = model.status
    status.live, status.state, status.retry_s = True, "", None
    status.username, status.replica = note.username, note.server
    named = {state.room for state in note.rooms}
    for room in model.rooms.values():
        was_member, room.member = room.member, room.name in named
        if was_member and not room.member and not note.again and room.name != model.joining:
            model.notice(note_text.sentence(notes.RoomGone(room.name), model.server))  # later on, the core tells it
        room.to_go = 0
        room.ask_again()
    for state in note.rooms:
        room = model.place(state.room)
        room.member, room.private = True, state.private
        if not note.again:
            _take_up(model, state)
    model.wants.append(RequestCommand(frames.ListRooms(id=0)))
    if not note.again:
        model.uncounted = [state.room for state in note.rooms if model.rooms[state.room].unread]
    mention_backfill.go_on(model)


def _take_up(model: ChatModel, state: frames.RoomState) -> None:
    """What was remembered of a room tells what is unread; what was never looked at begins as read."""
    room = model.place(state.room)
    if room.log.epoch not in ("", state.at.epoch) or max(room.marker.read, room.log.last) > state.head:
        room.reset()
        model.notice(note_text.sentence(notes.RoomReset(state.room, state.at), model.server), state.room)
    known, room.log.epoch, room.head = bool(room.log.epoch), state.at.epoch, state.head
    if not known:
        room.marker.read = state.head
    elif state.head > room.marker.read:
        room.count(model.status.username)
        room.draw_line(model.status.username)


def _of_room(model: ChatModel, note: object) -> None:
    match note:
        case notes.CatchingUp(name, to_go):
            model.place(name).to_go = model.place(name).missed = to_go
        case notes.CaughtUp(name):
            model.place(name).caught_up()
        case notes.RoomEntered(name, messages):
            _entered(model, name, messages)
        case notes.RoomReset(name, at):
            _reset(model, name, at)
            model.notice(note_text.sentence(note, model.server), name)
        case notes.MessagesMissing(name):
            model.notice(note_text.sentence(note, model.server), name)
        case notes.RoomGone(name):
            model.place(name).member = False
            model.joining = None if model.joining == name else model.joining
            model.notice(note_text.sentence(note, model.server), name)


def _entered(model: ChatModel, name: str, messages: tuple[frames.Message, ...]) -> None:
    room = model.place(name, member=False)
    was_member, room.member = room.member, True
    is_new = not (was_member and room.log.epoch)
    room.page(messages, begins=not messages)
    if is_new:
        room.see_all()
    else:
        room.count(model.status.username)
    if not was_member:
        room.notice(f"You joined #{inert_name(name)}.")
    if model.joining == name:
        model.go_to(name)


def _reset(model: ChatModel, name: str, at: Position) -> None:
    room = model.place(name)
    room.reset()
    room.log.epoch, room.marker.read = at.epoch, at.offset
    if room is model.room:
        model.view.anchor = None


def _answer(model: ChatModel, note: notes.CommandAnswered | notes.CommandRefused | notes.ServerError) -> None:
    match note:
        case notes.CommandAnswered(frames.ReadHistory() as asked, frames.Page() as page):
            _page(model, asked, page)
            mention_backfill.answered(model, asked)
        case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
            _listed(model, rooms)
        case notes.CommandAnswered(_, frames.Pong()):
            pass
        case notes.CommandAnswered(_, frames.Created() as created):
            _created(model, created)
            model.notice(note_text.sentence(note, model.server), created.room)
        case notes.CommandAnswered(_, reply):
            model.notice(note_text.sentence(note, model.server))
            if isinstance(reply, frames.Left):
                model.place(reply.room).member = False
        case notes.CommandRefused(frames.ReadHistory() as asked):
            model.place(asked.room).refused.add(_asked(asked))
            mention_backfill.answered(model, asked)
        case notes.CommandRefused(frames.ListRooms() | frames.Ping()) if not model.listing:
            pass
        case notes.CommandRefused(command, code):
            _refused(model, command, code, note_text.sentence(note, model.server))
        case _:
            model.notice(note_text.sentence(note, model.server))


def _page(model: ChatModel, asked: frames.ReadHistory, page: frames.Page) -> None:
    room, was_first = model.place(page.room), model.place(page.room).log.first
    if page.messages and room.log.epoch not in ("", page.messages[0].at.epoch):
        return  # of another history than the one that is shown
    room.asked.discard(_asked(asked))
    room.page(page.messages, before=asked.before, begins=not page.more and asked.after is None)
    if asked.before is None and asked.after is None:
        room.head = min(room.head, room.log.last)  # history's word: there is nothing newer
    room.count(model.status.username)
    if room is model.room:
        _keep_place(model, was_first)


def _keep_place(model: ChatModel, was_first: int | None) -> None:
    """What comes in above pushes nothing down; and what was looked for is shown."""
    anchor = model.view.anchor
    if anchor is not None and anchor[0].kind == 0 and was_first is not None:
        model.view.anchor = (BlockKey(1, was_first), 0)
    if model.seeking is not None and model.seeking in model.room.log:
        offset, model.seeking = model.seeking, None
        model.show_message(BlockKey(1, offset))


def _asked(asked: frames.ReadHistory) -> tuple[str, int]:
    return ("after", asked.after) if asked.after is not None else ("before", asked.before or 0)


def _listed(model: ChatModel, rooms: list[frames.RoomSummary]) -> None:
    model.open_rooms = {room.room: room.member for room in rooms}
    for room in rooms:
        if room.room in model.rooms:
            model.rooms[room.room].private = room.private
    if model.guessing is not None:
        command, model.guessing = model.guessing, None
        meant = model.rooms.get(command.room)
        left = meant is not None and meant.private and not meant.member
        model.notice(unknown_room(command, command.room, [room.room for room in rooms], left=left))
    elif model.listing:
        model.listing = False
        for text in note_text.room_lines(rooms):
            model.notice(text)


def _created(model: ChatModel, created: frames.Created) -> None:
    """One is in it from the beginning; the server is asked for it so that it is looked at."""
    room = model.place(created.room)
    room.member, room.private = True, created.private
    model.joining = created.room
    model.wants.append(EnterRoom(created.room))


def _changed(model: ChatModel, change: frames.Membership, *, mine: bool) -> None:
    """Who came and who left; what one did oneself has its reply."""
    own_doing = change.by == model.status.username or (mine and change.by is None)
    if mine and not (own_doing and change.member and model.joining == change.room):  # else a reply follows
        room = model.place(change.room)
        room.member, room.private = change.member, change.private if change.member else room.private
    if mine or change.room in model.rooms:
        sentence = note_text.sentence(notes.MembershipChange(change, mine), model.server, model.status.username)
        model.notice(sentence, None if mine and change.member else change.room)


def _refused(model: ChatModel, command: frames.Command, code: str, sentence: str | None) -> None:
    """What could not be done: guess which name was meant."""
    match command, code:
        case frames.Join() | frames.Leave() | frames.Invite() | frames.SetTopic(), Code.ROOM_UNKNOWN:
            model.guessing = command
            model.wants.append(RequestCommand(frames.ListRooms(id=0)))
        case frames.Invite(username=username), Code.USER_UNKNOWN:
            model.notice(unknown_user(sentence or "", username, [*model.people(), *model.acquaintances]))
        case _:
            model.notice(sentence)
    if isinstance(command, frames.Join):
        _not_in(model, command.room)


def _not_in(model: ChatModel, name: str) -> None:
    model.joining = None if model.joining == name else model.joining
    if name in model.rooms and not model.rooms[name].log:
        model.rooms[name].member = False
