"""State of the full screen: rooms, open room, scroll position, selection, connection status. Pure.

A message counts as stored only once the core says so, and no text that the user wrote is dropped. Requests to the
connection are collected in `requests`; `client.screen.runtime` carries them out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import UNSET

from chatterbox.wire import frames
from client.core.direct_rooms import is_direct
from client.core.events import CommandRequested, Request, RoomRead, RoomRequested, SendRequested
from client.core.message_changes import HeldMessages
from client.core.notes import MessageChanged, MessageShown, Note
from client.core.outbox_entry import OutboxEntry
from client.core.read_state.room_read_state import RoomReadState
from client.faces.slash_parser import LocalCommand
from client.screen.model.connection_status import ConnectionStatus
from client.screen.model.mention_backfill import MentionBackfill
from client.screen.model.messages.compose_mode import Replying
from client.screen.model.messages.message_list import MessageList
from client.screen.model.messages.own_reactions import RANGE, OwnReactionsWanted
from client.screen.model.messages.thread_model import ThreadModel
from client.screen.model.room_model import RoomModel, SavedRoom, page_key
from client.screen.model.room_order import OrderedRooms, RoomOrder
from client.screen.model.scroll_position import TOP, BlockKey, ScrollPosition, message_key
from client.screen.model.totals import Totals
from client.text.note_text import NOT_SENT
from client.text.sanitize import inert
from client.text.suggestions import RoomCommand

PAGE = 100
"""Messages requested at once while scrolling."""
RECENT_EMOJI = 8
"""Emoji of the user's last reactions that are remembered."""
SEARCH_PAGE = 200
"""Messages requested at once while searching."""

ScreenRequest: TypeAlias = Request | LocalCommand | OwnReactionsWanted
"""What the runtime carries out: a request to the core, a slash command without one, or a question over HTTP."""


class ChatModel:
    """State of the whole screen. `room` is the open room."""

    def __init__(self, server: str, room: str) -> None:
        self.server = server
        self.rooms: dict[str, RoomModel] = {}
        self.totals = Totals()
        self.order = RoomOrder()
        self._members_changed = 0
        """How often the user came into a room or left one, or a room was added."""
        self._ordered: tuple[object, OrderedRooms] | None = None
        """The rooms in order, and what they depend on."""
        self._with_outbox: set[str] = set()
        """Rooms that had unsent messages."""
        self.room = self.ensure_room(room)
        self.previous_room = room
        """Name of the room that was open before this one."""
        self.position = ScrollPosition()
        self.status = ConnectionStatus()
        self.backfill = MentionBackfill()
        self.requests: list[ScreenRequest] = []
        """Carried out in order, each before the next note is applied."""
        self.focused = True
        """Whether the terminal has the focus."""
        self.selected: BlockKey | None = None
        self.known_people: Sequence[str] = ()
        """Usernames from the name cache, the most relevant first."""
        self.listed_rooms: dict[str, bool] = {}
        """Rooms in the server's last list, and whether the user is a member."""
        self.joining: str | None = room
        """Room to open once the server confirms that the user is a member."""
        self.lists_rooms = False
        """Whether the user waits for the list of rooms."""
        self._unknown_room: RoomCommand | None = None
        """A command that was refused because its room does not exist; the list of rooms will show which was meant."""
        self.recent_emoji: list[str] = []
        """Emoji of the user's reactions, the last one first."""
        self.listing: MessageList | None = None
        """The pins that were listed last."""
        self._opens_listing = False
        """Whether the screen should open the list."""
        self._reported: dict[str, tuple[int, int]] = {}
        """How far each room is read, as the core knows."""
        self._asks_for_reactions = False
        """Whether the server was asked for the user's reactions and has not answered."""
        self._seeking: int | None = None
        """Offset to show once it is loaded."""
        self._bottom = 0
        """Offset of the last message on the screen."""

    # Requests to the connection.

    def request(self, request: ScreenRequest) -> None:
        self.requests.append(request)

    def take_requests(self) -> Iterator[ScreenRequest]:
        """Remove the requests one by one, also those added meanwhile."""
        while self.requests:
            yield self.requests.pop(0)

    def list_rooms(self) -> None:
        """Request the list of rooms for the user."""
        self.lists_rooms = True
        self.refresh_rooms()

    def refresh_rooms(self) -> None:
        """Request the list of rooms for completion and the room picker."""
        self.request(CommandRequested(frames.ListRooms(id=0)))

    def look_up_room(self, refused: RoomCommand) -> None:
        """Request the list of rooms to find the one that a refused command meant."""
        self._unknown_room = refused
        self.refresh_rooms()

    def take_unknown_room(self) -> RoomCommand | None:
        """Return the refused command that waits for the list of rooms, and forget it."""
        command, self._unknown_room = self._unknown_room, None
        return command

    def finish_list(self) -> None:
        """The list of rooms was shown."""
        self.lists_rooms = False

    def join(self, name: str) -> None:
        """Request to join a room, and open it after the server's reply."""
        self.joining = name
        self.request(RoomRequested(name))

    def cancel_join(self, name: str) -> None:
        """Don't open this room any more."""
        if self.joining == name:
            self.joining = None

    def continue_backfill(self) -> None:
        """Request the next page of the mention backfill."""
        if (page := self.backfill.next_page(self.rooms, self.room)) is not None:
            self.request(CommandRequested(page))

    # What the connection reports.

    def set_outbox(self, unsent: Mapping[str, tuple[OutboxEntry, ...]], in_flight: Mapping[str, int]) -> None:
        """Take over the core's outbox: the unsent messages and the message in flight of each room."""
        for name in self._with_outbox.union(unsent):
            self.ensure_room(name).set_outbox(unsent.get(name, ()), in_flight=name in in_flight)
        self._with_outbox = set(unsent)
        self.status.set_unsent(sum(map(len, unsent.values())))

    def held_messages(self) -> dict[str, HeldMessages]:
        """Return what is loaded or saved of each room, for the core to bring up to date."""
        return {
            room.name: HeldMessages(first, room.log.epoch, room.rev)
            for room in self.rooms.values()
            if (first := room.first_held) is not None
        }

    def set_revs(self, revs: Mapping[str, int | None]) -> None:
        """Take over up to which rev of each room the core has reported changes; None: not known."""
        for name, rev in revs.items():
            if rev is not None and name in self.rooms:
                self.rooms[name].set_rev(rev)

    def set_member(self, name: str, member: bool, *, private: bool | None = None) -> None:
        """The user is in a room, which is listed last if it is new, or is not."""
        room = self.ensure_room(name, member=member)
        self._members_changed += room.member is not member
        room.set_member(member, private=private)
        if member:
            self.order.add(name)
        else:
            self.order.remove(name)

    def restore_room(self, name: str, saved: SavedRoom, me: str) -> None:
        """Take over what an earlier run saved of a room."""
        self.ensure_room(name).restore(saved, me)
        self._members_changed += 1
        if saved.member:
            self.order.add(name)

    def set_known_people(self, names: Sequence[str]) -> None:
        self.known_people = names

    def set_listed_rooms(self, rooms: Sequence[frames.RoomSummary]) -> None:
        self.listed_rooms = {room.room: room.member for room in rooms}
        for room in rooms:
            if room.room in self.rooms:
                self.rooms[room.room].set_private(room.private)

    def return_unsent(self, message: SendRequested, reason: str) -> None:
        """The outbox refused a message: put its text back into the input."""
        room = self.ensure_room(message.room)
        room.return_unsent(message.content)
        if message.reply_to:
            room.begin_reply(Replying(message.reply_to))
        self.notice(f"{NOT_SENT}: {inert(reason)} Your text is still in the input.")

    def adjust_position(self, was_first: int | None) -> None:
        """A page of the open room was loaded; `was_first` is the offset of the first message before that."""
        if self.thread is None:
            self.position.keep_first_message(was_first)
        if self._seeking is not None and self._seeking in self.room.log:
            offset, self._seeking = self._seeking, None
            self.position.jump_to(message_key(offset))

    # What the user does.

    def open_room(self, name: str) -> None:
        """Show a room. This does not join it; `client.screen.model.submit.join` does."""
        room = self.ensure_room(name)
        self.joining = None
        self.close_thread()
        if room is not self.room:
            self.room.close(self.status.username)
            self.previous_room = self.room.name
            self.room = room
            self.follow()

    @property
    def thread(self) -> ThreadModel | None:
        """The thread that is shown instead of the messages of the open room."""
        return self.room.thread

    @property
    def shown(self) -> RoomModel | ThreadModel:
        """What the timeline shows: the open room, or a thread of it."""
        return self.room.thread or self.room

    def open_thread(self, root: int) -> None:
        """Show the thread that the message at `root` of the open room began; the input is for replies to it."""
        if self.thread is None or self.thread.root != root:
            self.close_thread()
            self.room.open_thread(root, self.position.anchor)
        self.follow()

    def close_thread(self) -> None:
        """Show the room again, where it was scrolled to."""
        if self.thread is None:
            return
        came_from = self.thread.came_from
        self.room.close_thread()
        self.follow()
        if came_from is not None:
            self.position.hold(*came_from)

    def follow(self) -> None:
        """Follow the newest messages."""
        self.position.follow()
        self.selected = None

    def mark_all_read(self) -> None:
        """Mark every message of the open room as read, also those that were never on the screen."""
        self.room.mark_all_read()
        self.report_read(self.room)

    def mark_unread(self, offset: int) -> None:
        """Mark the message at `offset` of the open room, and those after it, as unread, on all devices."""
        self.room.mark_unread(offset, self.status.username)
        self.report_read(self.room)

    def report_read(self, room: RoomModel) -> None:
        """Tell the core how far a room is read, unless it knows. It tells the server, now or later."""
        turn, offset = mark = room.read_mark
        if room.member and mark != self._reported.get(room.name, (0, 0)):
            self._reported[room.name] = mark
            self.request(RoomRead(room.name, offset, turn))

    def take_read_state(self, name: str, state: RoomReadState) -> None:
        """Take the user's state of a room from the server, and tell what this client knows beyond it."""
        room = self.ensure_room(name)
        if state.told is None:
            return
        room.take_told(state.told, self.status.username, is_open=room is self.room)
        self._reported[name] = state.mark
        if room.read_mark > state.mark:
            self.report_read(room)

    def seek(self, offset: int) -> None:
        """Load the message at `offset` and those after it, then show it."""
        self.close_thread()
        self._seeking = offset
        self._request_page("after", offset - 1)

    def go_to(self, offset: int) -> None:
        """Show the message at `offset`; if it is not loaded, load it with those around it."""
        if offset not in self.shown.log:
            self.close_thread()
        if offset in self.shown.log:
            self.position.jump_to(message_key(offset))
        else:
            self._seeking = offset
            self._request_page("around", offset)

    def give_up_seeking(self, request: frames.ReadHistory) -> None:
        """The page with the message to show was refused."""
        if request.around is not UNSET or request.after is not None:
            self._seeking = None

    def show_listing(self, listing: MessageList) -> None:
        """The pins are listed from now on."""
        self.listing = listing

    def open_listing(self) -> None:
        """Let the screen open the list, which a slash command requested."""
        self._opens_listing = True

    def take_listing(self) -> MessageList | None:
        """Return the list that the screen should open, once; None if there is none."""
        opens, self._opens_listing = self._opens_listing, False
        return self.listing if opens else None

    def use_emoji(self, emoji: str) -> None:
        """Remember an emoji of a reaction."""
        self.recent_emoji = [emoji, *(other for other in self.recent_emoji if other != emoji)][:RECENT_EMOJI]

    def select(self, key: BlockKey | None) -> None:
        self.selected = key

    def set_focus(self, *, focused: bool) -> None:
        """The terminal got or lost the focus."""
        self.focused = focused

    def mark_drawn(self, rows: Sequence[tuple[BlockKey, int]]) -> None:
        """These rows (block, number in the block) are on the screen: request missing pages, mark messages as read."""
        offsets = sorted({key.number for key, _ in rows if key.is_message})
        self._bottom = offsets[-1] if offsets else 0
        if self.thread is not None:
            for page in self.thread.missing([key for key, _ in rows]):
                self._request(page)
            self.room.mark_drawn_in_thread(offsets if self.focused else [], self.status.username)
        else:
            self._request_missing(rows)
            self.room.mark_drawn(offsets if self.focused else [], self.status.username)
        self.report_read(self.room)
        self._ask_for_own_reactions(offsets)

    def _ask_for_own_reactions(self, offsets: Sequence[int]) -> None:
        """Ask whether the user reacted to messages on the screen and around them, if those do not tell."""
        own, log = self.room.own_reactions, self.shown.log
        if self._asks_for_reactions or not self.status.live or not any(own.is_unclear(log[at]) for at in offsets):
            return
        around = slice(log.index_at(offsets[0] - RANGE // 2), log.index_at(offsets[-1] + RANGE // 2))
        if (span := own.ask([log[offset] for offset in log.offsets[around]])) is not None:
            self._asks_for_reactions = True
            self.request(OwnReactionsWanted(self.room.name, *span))

    def receive_own_reactions(self, asked: OwnReactionsWanted, found: Sequence[tuple[int, str]] | None) -> None:
        """Take the user's reactions to the messages that were asked for; None: the server could not be asked."""
        self._asks_for_reactions = False
        if found is not None and asked.room in self.rooms:
            self.rooms[asked.room].own_reactions.receive(asked.first, asked.last, found)

    def _request_missing(self, rows: Sequence[tuple[BlockKey, int]]) -> None:
        """Request pages for the newest messages, those above the first row, and gaps on the screen."""
        log = self.room.log
        if log and log.last < self.room.head and self.joining != self.room.name:
            self._request_page("before", 0)
        for row, (key, number) in enumerate(rows):
            if key == TOP and not log.complete and not log.is_full:
                self._request_page("before", log.first or 0)
            elif key.is_message and number == 0:
                index = log.index_at(key.number)
                if not log.gap_before(index) or log.is_lost(key.number):
                    continue
                if row and not self.position.follows:  # the user reads down to the gap: its first messages are next
                    self._request_page("after", log.offsets[index - 1])
                else:
                    self._request_page("before", key.number)

    @property
    def can_load_older(self) -> bool:
        """Whether messages before those that are loaded without a gap can be requested."""
        log = self.room.log
        return self.status.live and self.room.member and not log.is_whole and not log.is_full

    def load_older(self) -> None:
        """Request the page before the messages that are loaded without a gap."""
        self._request_page("before", self.room.log.unbroken_from or 0, SEARCH_PAGE)

    def _request_page(self, direction: str, offset: int, limit: int = PAGE) -> None:
        before = offset if offset and direction == "before" else None
        after = offset if direction == "after" else None
        around = offset if direction == "around" else UNSET
        name = self.room.name
        self._request(frames.ReadHistory(id=0, room=name, limit=limit, before=before, after=after, around=around))

    def _request(self, page: frames.ReadHistory) -> None:
        """Request a page of the open room, unless that is not possible now, or was done."""
        if self.status.live and self.room.member and self.room.request_page(page_key(page)):
            self.request(CommandRequested(page))

    # What is shown.

    def selected_message(self) -> frames.Message | None:
        key, log = self.selected, self.shown.log
        return log[key.number] if key is not None and key.is_message and key.number in log else None

    @property
    def replaced(self) -> int:
        """How often a message was replaced by a later state of it."""
        return self.totals.replaced

    @property
    def forgotten(self) -> int:
        """How often a text of the user was removed from the input history, because its message was erased or edited."""
        return self.totals.forgotten

    def related(self, note: Note) -> frames.Message | None:
        """Return a changed message as it is before `note`, or the message that a new one answers, if it is loaded."""
        match note:
            case MessageChanged(message):
                offset = message.at.offset
            case MessageShown(message) if message.reply_to:
                offset = message.reply_to
            case _:
                return None
        room = self.rooms.get(message.room)
        return room.log.get(offset) if room is not None and room.log.epoch == message.at.epoch else None

    def selected_text(self) -> str:
        message = self.selected_message()
        return message.content if message else ""

    @property
    def ordered(self) -> OrderedRooms:
        """The room list: the rooms that the user is in, and the open room. Direct conversations come first.

        It is made again only when it changes, not for each draw.
        """
        depends_on = (self.order.version, self._members_changed, len(self.rooms), self.room.name)
        if self._ordered is None or self._ordered[0] != depends_on:
            shown = (room for room in self.rooms.values() if room.member or room is self.room)
            place = self.order.place
            rooms = sorted(shown, key=lambda room: (not is_direct(room.name), place(room.name), room.name))
            directs = sum(is_direct(room.name) for room in rooms)
            places = {room.name: number for number, room in enumerate(rooms)}
            self._ordered = (depends_on, OrderedRooms(rooms, directs, places))
        return self._ordered[1]

    def in_order(self) -> Sequence[RoomModel]:
        """The rooms in the order of the room list."""
        return self.ordered.rooms

    def numbered(self) -> Sequence[RoomModel]:
        """The rooms that have a number in the list. A new direct conversation does not change it."""
        return self.ordered.rooms[self.ordered.directs :]

    def next_unread(self) -> str | None:
        """The room with the most mentions, then the most unread messages, except the open one."""
        others = [room for room in self.in_order() if room is not self.room and room.unread]
        return max(others, key=lambda room: (room.mentions, room.unread)).name if others else None

    def people(self) -> list[str]:
        """People active in the open room, the most recent first."""
        return list(reversed(self.room.active))

    @property
    def unread_below(self) -> int:
        """Unread messages below the screen."""
        if self.position.follows or not self.room.unread or self.thread is not None:
            return 0
        below = self.room.marker.below(self.room.log, self._bottom)
        return sum(message.username != self.status.username for message in below)

    @property
    def unread_above(self) -> int:
        """Unread messages above the screen; 0 when those on the screen are unread too: without focus, or marked so."""
        if not self.focused or self.thread is not None or self.room.keeps_unread:
            return 0
        return max(0, self.room.unread - self.unread_below)

    @property
    def unread_elsewhere(self) -> int:
        """Unread messages of other rooms; while a thread is shown, also those of its room."""
        return self.totals.unread - (self.room.unread if self.thread is None else 0)

    @property
    def catch_up_remaining(self) -> int:
        return self.totals.catch_up

    def shows(self, message: frames.Message) -> bool:
        """Whether a new message appears on the screen, if that is not scrolled up."""
        return message.room == self.room.name and (self.thread is None or self.thread.belongs(message))

    def looking_at(self, note: Note) -> str | None:
        """The room that is on the screen; None if a thread hides the message that `note` is about."""
        is_hidden = isinstance(note, MessageShown | MessageChanged) and not self.shows(note.message)
        return None if self.thread is not None and is_hidden else self.room.name

    def shows_next(self, message: frames.Message) -> bool:
        """Whether a new message is read at once."""
        return self.focused and self.position.follows and self.shows(message)

    # Shared.

    def ensure_room(self, name: str, *, member: bool = True) -> RoomModel:
        """Return the room of that name; create it if there is none."""
        if name not in self.rooms:
            self.rooms[name] = RoomModel(name, member, totals=self.totals)
        return self.rooms[name]

    def notice(self, text: str | None, room: str | None = None) -> None:
        """Show a line of the client's own in a room, or in the open one if that is not listed; `text` is inert."""
        if text:
            target = self.rooms.get(room or "", self.room)
            (target if target.member else self.room).add_notice(text)
