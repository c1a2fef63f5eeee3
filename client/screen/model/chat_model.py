"""State of the full screen: rooms, open room, scroll position, selection, connection status. Pure.

A message counts as stored only once the core says so, and no text that the user wrote is dropped. Requests to the
connection are collected in `requests`; `client.screen.runtime` carries them out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from chatterbox.wire import frames
from client.core.events import CommandRequested, Request, RoomRead, RoomRequested, SendRequested
from client.core.notes import MessageChanged, MessageShown, Note
from client.core.outbox_entry import OutboxEntry
from client.core.read_state.room_read_state import RoomReadState
from client.encryption.core.trust import Trust
from client.faces.slash.slash_parser import LocalCommand
from client.screen.model.connection_status import ConnectionStatus
from client.screen.model.messages.compose_mode import Replying
from client.screen.model.messages.message_list import MessageList
from client.screen.model.messages.own_reactions import RANGE, OwnReactionsWanted
from client.screen.model.messages.thread_model import ThreadModel
from client.screen.model.people_view import PeopleView
from client.screen.model.rooms.history_pages import HistoryPages
from client.screen.model.rooms.mention_backfill import MentionBackfill
from client.screen.model.rooms.room_directory import RoomDirectory
from client.screen.model.rooms.room_list_requests import RoomListRequests
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.rooms.room_order import OrderedRooms
from client.screen.model.scroll_position import BlockKey, ScrollPosition, message_key
from client.text.note_text import NOT_SENT
from client.text.sanitize import inert

RECENT_EMOJI = 8
"""Emoji of the user's last reactions that are remembered."""

ScreenRequest: TypeAlias = Request | LocalCommand | OwnReactionsWanted
"""What the runtime carries out: a request to the core, a slash command without one, or a question over HTTP."""


class ChatModel:
    """State of the whole screen. `room` is the open room."""

    def __init__(self, server: str, room: str) -> None:
        self.server = server
        self.directory = RoomDirectory()
        self.room = self.ensure_room(room)
        self.previous_room = room
        """Name of the room that was open before this one."""
        self.position = ScrollPosition()
        self.status = ConnectionStatus()
        self.history_pages = HistoryPages(self.status, self.request)
        self.room_lists = RoomListRequests(self.request)
        self.backfill = MentionBackfill()
        self.people = PeopleView()
        self.trust: dict[str, tuple[Trust, str]] = {}
        """How the keys of users are known, and since which day; by username in lower case."""
        self.members: dict[str, Mapping[str, Trust]] = {}
        """The members of encrypted rooms by their member logs, and how their keys are known; by room."""
        self.is_encrypted: Callable[[str], bool | None] = lambda _: None
        """Whether a room is encrypted; None: it is not, and no room of this server can be."""
        self.requests: list[ScreenRequest] = []
        """Carried out in order, each before the next note is applied."""
        self.focused = True
        """Whether the terminal has the focus."""
        self.selected: BlockKey | None = None
        self.known_people: Sequence[str] = ()
        """Usernames from the name cache, the most relevant first."""
        self.joining: str | None = room
        """Room to open once the server confirms that the user is a member."""
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
        self._bottom = 0
        """Offset of the last message on the screen."""

    @property
    def rooms(self) -> dict[str, RoomModel]:
        """The rooms by name, also those that the user has left."""
        return self.directory.rooms

    def use_encryption(self, is_encrypted: Callable[[str], bool | None]) -> None:
        """Ask this which rooms are encrypted."""
        self.is_encrypted = is_encrypted

    # Requests to the connection.

    def request(self, request: ScreenRequest) -> None:
        self.requests.append(request)

    def take_requests(self) -> Iterator[ScreenRequest]:
        """Remove the requests one by one, also those added meanwhile."""
        while self.requests:
            yield self.requests.pop(0)

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
        self.directory.set_outbox(unsent, in_flight)
        self.status.set_unsent(sum(map(len, unsent.values())))

    def set_known_people(self, names: Sequence[str]) -> None:
        self.known_people = names

    def return_unsent(self, message: SendRequested, reason: str) -> None:
        """The outbox refused a message: put its text back into the input."""
        room = self.ensure_room(message.room)
        room.input.return_unsent(message.content)
        if message.reply_to:
            room.input.begin_reply(Replying(message.reply_to))
        self.notice(f"{NOT_SENT}: {inert(reason)} Your text is still in the input.")

    def adjust_position(self, was_first: int | None) -> None:
        """A page of the open room was loaded; `was_first` is the offset of the first message before that."""
        if self.thread is None:
            self.position.keep_first_message(was_first)
        if (found := self.history_pages.take_found(self.room)) is not None:
            self.position.jump_to(message_key(found))

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
        self.room.progress.mark_all_read()
        self.report_read(self.room)

    def mark_unread(self, offset: int) -> None:
        """Mark the message at `offset` of the open room, and those after it, as unread, on all devices."""
        self.room.progress.mark_unread(offset, self.status.username)
        self.report_read(self.room)

    def report_read(self, room: RoomModel) -> None:
        """Tell the core how far a room is read, unless it knows. It tells the server, now or later."""
        turn, offset = mark = room.progress.read_mark
        if room.member and mark != self._reported.get(room.name, (0, 0)):
            self._reported[room.name] = mark
            self.request(RoomRead(room.name, offset, turn))

    def take_read_state(self, name: str, state: RoomReadState) -> None:
        """Take the user's state of a room from the server, and tell what this client knows beyond it."""
        room = self.ensure_room(name)
        if state.told is None:
            return
        room.progress.take_told(state.told, self.status.username, is_open=room is self.room)
        self._reported[name] = state.mark
        if room.progress.read_mark > state.mark:
            self.report_read(room)

    def seek(self, offset: int) -> None:
        """Load the message at `offset` and those after it, then show it."""
        self.close_thread()
        self.history_pages.seek(self.room, offset)

    def go_to(self, offset: int) -> None:
        """Show the message at `offset`; if it is not loaded, load it with those around it."""
        if offset not in self.shown.log:
            self.close_thread()
        if offset in self.shown.log:
            self.position.jump_to(message_key(offset))
        else:
            self.history_pages.seek_around(self.room, offset)

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
                self.history_pages.request(self.room, page)
            self.room.progress.mark_drawn_in_thread(offsets if self.focused else [], self.status.username)
        else:
            if self.joining != self.room.name:
                self.history_pages.request_newest(self.room)
            self.history_pages.request_missing(self.room, rows, follows=self.position.follows)
            self.room.progress.mark_drawn(offsets if self.focused else [], self.status.username)
        self.report_read(self.room)
        self._ask_for_own_reactions(offsets)

    def _ask_for_own_reactions(self, offsets: Sequence[int]) -> None:
        """Ask whether the user reacted to messages on the screen and around them, if those do not tell."""
        if self.is_encrypted(self.room.name):
            return  # the server does not know them
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

    @property
    def can_load_older(self) -> bool:
        """Whether messages before those that are loaded without a gap can be requested."""
        return self.history_pages.can_load_older(self.room)

    def load_older(self) -> None:
        """Request the page before the messages that are loaded without a gap."""
        self.history_pages.load_older(self.room)

    # What is shown.

    def selected_message(self) -> frames.Message | None:
        key, log = self.selected, self.shown.log
        return log[key.number] if key is not None and key.is_message and key.number in log else None

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
        """The room list: the rooms that the user is in, and the open room. Direct conversations come first."""
        return self.directory.ordered(self.room)

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

    def active_people(self) -> list[str]:
        """People active in the open room, the most recent first."""
        return list(reversed(self.room.active))

    @property
    def unread_below(self) -> int:
        """Unread messages below the screen."""
        if self.position.follows or not self.room.unread or self.thread is not None:
            return 0
        below = self.room.progress.marker.below(self.room.log, self._bottom)
        return sum(message.username != self.status.username for message in below)

    @property
    def unread_above(self) -> int:
        """Unread messages above the screen; 0 when those on the screen are unread too: without focus, or marked so."""
        if not self.focused or self.thread is not None or self.room.progress.keeps_unread:
            return 0
        return max(0, self.room.unread - self.unread_below)

    @property
    def unread_elsewhere(self) -> int:
        """Unread messages of other rooms; while a thread is shown, also those of its room."""
        return self.directory.totals.unread - (self.room.unread if self.thread is None else 0)

    @property
    def catch_up_remaining(self) -> int:
        return self.directory.totals.catch_up

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
        return self.directory.ensure(name, member=member)

    def notice(self, text: str | None, room: str | None = None) -> None:
        """Show a line of the client's own in a room, or in the open one if that is not listed; `text` is inert."""
        if text:
            target = self.rooms.get(room or "", self.room)
            (target if target.member else self.room).add_notice(text)
