"""The screen itself: the rooms, the timeline, the people, the status line and the composer, and when they are drawn."""

from datetime import tzinfo

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen

from client.screen.actions.action_table import Action, ActionScope, in_short, keymap, spoken
from client.screen.actions.handlers import ActionHandlers
from client.screen.layout import status_line
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import bar, heading, line_here, people_rows, room_at, room_rows
from client.screen.layout.spans import SpanRole
from client.screen.runtime import ScreenRuntime
from client.screen.widgets.composer import Composer
from client.screen.widgets.key_names import name_of
from client.screen.widgets.row_widget import RowWidget
from client.screen.widgets.timeline import Timeline

DRAW_S = 1 / 30
"""However much arrives, it is drawn this often: keys are looked at between."""
ROOMS_FROM_COLUMNS, PEOPLE_FROM_COLUMNS = 72, 110
"""A pane that nobody asked for is shown on a terminal at least so wide."""
BOTH_FROM_COLUMNS = 80
"""On a terminal that is not, one pane takes the place of the other: messages would have no room."""


class ChatScreen(Screen[None]):
    """Draws the model. What keys do is in `client.screen.actions.handlers`."""

    DEFAULT_CSS = """
    ChatScreen { layout: vertical; }
    ChatScreen #heading, ChatScreen #status { background: $panel; }
    ChatScreen #rooms { width: 22; height: 1fr; background: $panel; padding-right: 1; }
    ChatScreen #people { width: 18; height: 1fr; background: $panel; padding: 0 1; }
    ChatScreen #middle { height: 1fr; }
    """

    def __init__(self, shell: ScreenRuntime, actions: dict[str, Action]) -> None:
        super().__init__()
        self.shell, self.model = shell, shell.model
        self.bind_keys(actions)
        self.doing = ActionHandlers(self)
        self.wanted: dict[str, bool | None] = {"rooms": None, "people": None}
        """Whether a pane is to be shown; None: if there is room for it."""
        self.zone: tzinfo | None = None
        """The zone that times are told in; None: the computer's."""
        self._due = False
        self._shown_room = ""

    def compose(self) -> ComposeResult:
        yield RowWidget(id="heading")
        with Horizontal(id="middle"):
            yield RowWidget(id="rooms")
            yield Timeline()
            yield RowWidget(id="people")
        yield RowWidget(id="status")
        yield Composer()

    def on_mount(self) -> None:
        self.composer = self.query_one(Composer)
        self.timeline = self.query_one(Timeline)
        self.composer.focus()
        self.hold_draft()
        self.shell.changed = self.changed
        self.set_interval(1, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        self._place_panes(event.size.width)
        self.call_after_refresh(self.draw)

    def bind_keys(self, actions: dict[str, Action]) -> None:
        """Let keys do what this table says."""
        self.actions = actions
        self._keys = keymap(actions, set(ActionScope) - {ActionScope.SELECTING})
        self.edits = keymap(actions, {ActionScope.EDITING})
        self._keys_selecting = keymap(
            actions, {ActionScope.ROOMS, ActionScope.READING, ActionScope.PROGRAM}, {ActionScope.SELECTING}
        )

    def key_of(self, name: str) -> str:
        """The first key of an action as it is written on keyboards; empty if it has none."""
        return spoken(self.actions[name].keys[:1])

    def press(self, event: events.Key) -> bool:
        """Do what a key means; False if it means nothing here."""
        selecting = self.model.selected is not None
        name = (self._keys_selecting if selecting else self._keys).get(name_of(event.key, event.character))
        if name is not None:
            self.do(name)
        elif selecting and event.character and event.character.isdigit():
            self.do(f"open-link {event.character}")
        elif event.is_printable and event.character:
            if selecting:
                self.do("unselect")
            self.composer.type(event.character)
            self.keep_draft()
        else:
            return False
        return True

    def do(self, name: str) -> None:
        """Do an action of the table."""
        self.keep_draft()
        if not self.composer.act(name):
            self.doing.do(name)
        self.keep_draft()
        self.shell.settle()

    def toggle(self, pane: str) -> None:
        shown = self.wanted[pane] = not self.query_one(f"#{pane}").display
        if shown and self.size.width < BOTH_FROM_COLUMNS:
            self.wanted["people" if pane == "rooms" else "rooms"] = False
        self._place_panes(self.size.width)
        self.call_after_refresh(self.draw)

    def _place_panes(self, columns: int) -> None:
        for pane, least in (("rooms", ROOMS_FROM_COLUMNS), ("people", PEOPLE_FROM_COLUMNS)):
            wanted = self.wanted[pane]
            self.query_one(f"#{pane}").display = columns >= least if wanted is None else wanted

    def changed(self) -> None:
        """Something is new: draw soon, once for all that comes until then. What is written follows at once."""
        if not self.is_running:
            return
        if self.model.room.name != self._shown_room:
            self.hold_draft()
        if not self._due:
            self._due = True
            self.set_timer(DRAW_S, self.draw)

    def draw(self) -> None:
        """Draw what is to be seen now."""
        self._due = False
        if not self.is_mounted or self.timeline.size.height == 0:
            return
        model, area = self.model, self.timeline.size
        look = RowStyle(area.width, model.status.username, self.doing.found, self.zone)
        self.timeline.put(model.lines(look, area.height), model.selected)
        if model.wants:
            self.shell.settle()
        self._draw_around()

    def _draw_around(self) -> None:
        model = self.model
        rooms, people = self.query_one("#rooms", RowWidget), self.query_one("#people", RowWidget)
        self.query_one("#heading", RowWidget).paint([heading(model, self.size.width)])
        height = rooms.content_size.height
        rooms.paint(room_rows(model, rooms.content_size.width, height), line_here(model, height))
        people.paint(people_rows(model, people.content_size.width, people.content_size.height))
        self._draw_status()

    def _draw_status(self) -> None:
        model = self.model
        elsewhere = sum(room.unread for room in model.rooms.values() if room is not model.room)
        around = {"below": model.below, "above": model.above, "elsewhere": elsewhere}
        keys = in_short(self.actions) if model.selected is not None else []
        said = status_line.parts(model.status, to_go=model.to_go, wait_s=self.shell.wait_s, keys=keys, **around)
        hint = f"{self.key_of('help')} help" if self.key_of("help") else "/help"
        is_well = model.status.live and model.status.silent_s is None and not model.to_go
        role = SpanRole.TEXT if is_well else SpanRole.WAITING
        self.query_one("#status", RowWidget).paint([bar(said, hint, self.size.width, role)])

    def _tick(self) -> None:
        """The wait for the next try runs down, or an answer is waited for."""
        status, silent_s = self.model.status, self.model.status.silent_s
        self.shell.heed_silence()
        if not status.live or status.silent_s != silent_s:
            self._draw_status()

    def hold_draft(self) -> None:
        """Put what is half written in this room into the composer."""
        self._shown_room = self.model.room.name
        self.composer.placeholder = f"Write here; {self.key_of('help') or '/help'} helps"
        self.composer.begin(self.model.room.draft)

    @on(Composer.Changed)
    def keep_draft(self) -> None:
        """What is written is the room's at once: a key that follows may lead elsewhere."""
        if self._shown_room == self.model.room.name:
            self.model.room.draft = self.composer.text

    @on(Composer.Pasted)
    def _pasted(self, pasted: Composer.Pasted) -> None:
        self.doing.paste(pasted.text)

    def on_click(self, event: events.Click) -> None:
        """A room that is clicked is gone to; what is typed goes where it always goes."""
        self.composer.focus()
        pane = self.query_one("#rooms", RowWidget)
        if event.widget is pane and (room := room_at(self.model, pane.content_size.height, event.y)) is not None:
            self.model.go_to(room)
            self.shell.settle()

    @on(Timeline.Scrolled)
    def _scrolled(self, scrolled: Timeline.Scrolled) -> None:
        self.model.scroll(scrolled.by)
        self.shell.settle()
