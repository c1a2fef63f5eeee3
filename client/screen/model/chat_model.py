"""The screen's model: the core's notes and the person's actions in, what is to be shown and done out. Pure.

It never says of a message that it is stored unless the core did, and never drops what somebody wrote. What it
wants done it leaves in `wants`, for the shell to carry out.
"""

from collections.abc import Mapping, Sequence

from chatterbox.wire import frames
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_blocks import TOP, BlockKey, MessageBlocks
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.status_line import StatusLine
from client.screen.layout.viewport import Viewport, ViewportRow
from client.screen.model.effects import QueueMessage, RequestCommand, ScreenEffect
from client.screen.model.room_model import RoomModel
from client.text.note_text import NOT_SENT
from client.text.sanitize import inert
from client.text.suggestions import RoomCommand

PAGE = 100


class ChatModel:
    """Everything on the screen. `room` is the one that is looked at; a note or an action changes it at once."""

    def __init__(self, server: str, room: str) -> None:
        self.server = server
        self.rooms: dict[str, RoomModel] = {}
        self.room = self.place(room)
        self.earlier = room
        """The room that was looked at before this one."""
        self.view = Viewport()
        self.blocks = MessageBlocks()
        self.status = StatusLine()
        self.wants: list[ScreenEffect] = []
        self.attentive = True
        """Whether somebody looks: false while the terminal is not in front."""
        self.selected: BlockKey | None = None
        self.acquaintances: Sequence[str] = ()
        """People whose names are known, also if they were not heard; the likeliest first."""
        self.open_rooms: dict[str, bool] = {}
        """Rooms that the server listed, and whether one is a member."""
        self.uncounted: list[str] = []
        """Rooms in which something was unread at the start, and in which it is not known yet who is named in it."""
        self.listing = False
        """Whether somebody wants to see the list of rooms."""
        self.guessing: RoomCommand | None = None
        """A command for a room that does not exist, and the one that was meant is looked for."""
        self.joining: str | None = room
        """A room to look at as soon as we are in it."""
        self.seeking: int | None = None
        """The offset to look at as soon as it is loaded."""
        self.height = 10
        self.look = RowStyle(80)
        self._bottom = 0
        """The last message on the screen."""

    # What comes in.

    def outbox(self, unsent: Mapping[str, tuple[OutboxEntry, ...]], in_flight: Mapping[str, int]) -> None:
        """The outbox as the core has it: the one truth about what is not stored."""
        for name in unsent:
            self.place(name)
        for room in self.rooms.values():
            room.sending = unsent.get(room.name, ())
            room.in_flight = room.name in in_flight
        self.status.unsent = sum(map(len, unsent.values()))

    # What a person does.

    def not_taken(self, say: QueueMessage, sentence: str) -> None:
        """The outbox did not take a message: the text goes back to where it was written."""
        room = self.place(say.room)
        room.draft = f"{say.content}\n{room.draft}" if room.draft else say.content
        self.notice(f"{NOT_SENT}: {inert(sentence)} What you wrote is where you wrote it.")

    def go_to(self, name: str) -> None:
        """Look at a room. Nobody becomes a member by that; `slashing.join` is for it."""
        room = self.place(name)
        self.joining = None
        if room is not self.room:
            self.room.rest(self.status.username)
            self.earlier = self.room.name
            self.room = room
            self.view = Viewport()
            self.selected = None

    def see_newest(self) -> None:
        """Go to the newest message; whoever is there already has no need of what is unread above."""
        if self.view.follows:
            self.room.see_all()
        self.follow()

    def scroll(self, by: int) -> None:
        """Go up (negative) or down by some rows."""
        self.room.asked -= self.room.refused
        self.room.refused.clear()
        self._shown().scroll(self.blocks, self.height, by)

    def show_message(self, key: BlockKey) -> None:
        """Bring a message onto the screen."""
        self._shown().go_to(self.blocks, self.height, key)

    def first_unread(self) -> bool:
        """Go to the unread line; what stands there is loaded if it must be. False where nothing is unread."""
        line, log = self.room.line, self.room.log
        if line is None:
            return False
        if log.first is None or log.first > line + 1:
            self.seeking = line + 1
            self._ask_page("after", line)
        else:
            self.show_message(BlockKey(1, line + 1))
        return True

    def attend(self, *, attentive: bool) -> None:
        """The terminal came to the front, or went."""
        self.attentive = attentive

    # What is shown.

    def lines(self, look: RowStyle, height: int) -> list[ViewportRow]:
        """The rows of the room that is looked at, which are read by that; asks for the pages missing among them."""
        self.look, self.height = look, height
        lines = self._shown().lines(self.blocks, height)
        self._fill(lines)
        drawn = sorted({line.key.number for line in lines if line.key.kind == 1})
        self._bottom = drawn[-1] if drawn else 0
        self.room.drawn(drawn if self.attentive else [], self.status.username)
        return lines

    def selected_message(self) -> frames.Message | None:
        selected, log = self.selected, self.room.log
        return log[selected.number] if selected and selected.kind == 1 and selected.number in log else None

    def selected_text(self) -> str:
        message = self.selected_message()
        return message.content if message else ""

    def in_order(self) -> list[RoomModel]:
        """The rooms as they are listed, those that one is in."""
        return sorted((room for room in self.rooms.values() if room.member or room is self.room), key=_place)

    def next_unread(self) -> str | None:
        """The most urgent other room: mentions, then messages."""
        others = [room for room in self.in_order() if room is not self.room and room.unread]
        return max(others, key=lambda room: (room.mentions, room.unread)).name if others else None

    def people(self) -> list[str]:
        """Who was heard in this room, the last speaker first."""
        return list(reversed(self.room.heard))

    @property
    def below(self) -> int:
        """How much is unread below what is on the screen."""
        if self.view.follows or not self.room.unread:
            return 0
        below = self.room.marker.below(self.room.log, self._bottom)
        return sum(message.username != self.look.me for message in below)

    @property
    def above(self) -> int:
        """How much is unread above it, if somebody looks: else what is on the screen is unread, too."""
        return max(0, self.room.unread - self.below) if self.attentive else 0

    @property
    def to_go(self) -> int:
        return sum(room.to_go for room in self.rooms.values())

    @property
    def is_seen(self) -> bool:
        """Whether the next message of the room that is looked at will be seen at once."""
        return self.attentive and self.view.follows

    # What these have in common.

    def place(self, name: str, *, member: bool = True) -> RoomModel:
        """The room of that name, made if there is none."""
        if name not in self.rooms:
            self.rooms[name] = RoomModel(name, member)
        return self.rooms[name]

    def notice(self, text: str | None, room: str | None = None) -> None:
        """Say something of one's own in a room, or here if that one is not on the list; `text` is inert."""
        if text:
            meant = self.rooms.get(room or "", self.room)
            (meant if meant.member else self.room).notice(text)

    def _shown(self) -> Viewport:
        self.blocks.show(self.room, self.look)
        return self.view

    def follow(self) -> None:
        """Look at the newest messages from now on."""
        self.view.anchor = None
        self.selected = None

    def _fill(self, lines: list[ViewportRow]) -> None:
        """Ask for what is missing on the screen: the newest, what came before, or what stands in a hole."""
        log = self.room.log
        if log and log.last < self.room.head and self.joining != self.room.name:
            self._ask_page("before", 0)
        for line in lines:
            if line.key == TOP and not log.complete and not log.is_full:
                self._ask_page("before", log.first or 0)
            elif line.key.kind == 1 and line.number == 0:
                index = log.index_at(line.key.number)
                if log.hole_before(index) and not log.is_lost(line.key.number):
                    self._ask_page("before", line.key.number)

    def _ask_page(self, way: str, offset: int) -> None:
        asked = (way, offset)
        if not self.status.live or asked in self.room.asked or not self.room.member:
            return
        self.room.asked.add(asked)
        place = {way: offset} if offset or way == "after" else {}
        self.wants.append(RequestCommand(frames.ReadHistory(id=0, room=self.room.name, limit=PAGE, **place)))


def _place(room: RoomModel) -> str:
    return room.name
