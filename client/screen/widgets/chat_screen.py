"""The chat screen: lays out room list, timeline, people, status line and composer, and handles keys."""

import os
import unicodedata
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer

from client.core.people.people_state import PeopleState
from client.job_control import stop_job
from client.screen.actions.action_table import Action
from client.screen.actions.handlers import ActionHandlers
from client.screen.actions.room_handlers import show_profile
from client.screen.actions.screen_interface import NO_KEYS, EmptyText, ItemFilter, OnChoice, no_match
from client.screen.actions.screen_keys import ScreenKeys
from client.screen.input.pasted_text import removed
from client.screen.layout import status_line
from client.screen.layout.compose_row import mode_row
from client.screen.layout.header_row import heading
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.people.names_on_screen import names_on_screen
from client.screen.layout.side_lists import open_room_line, people_rows, person_at, room_at, room_rows
from client.screen.layout.side_panes import SidePanes
from client.screen.layout.viewport import TimelineView, at_bottom
from client.screen.model.messages.compose_mode import ComposeMode
from client.screen.runtime import ScreenRuntime
from client.screen.widgets.clipboard import Clipboard
from client.screen.widgets.composer import Composer
from client.screen.widgets.key_names import name_of, typed_text
from client.screen.widgets.mouse_capture import MouseCapture
from client.screen.widgets.picker import Picker
from client.screen.widgets.row_widget import RowWidget
from client.screen.widgets.sheet_opener import SheetOpener
from client.screen.widgets.themed_app import ThemedApp
from client.screen.widgets.timeline import Timeline
from client.text.line_wrap import width_of
from client.text.room_text import shown_room

DRAW_S = 1 / 30
"""Shortest time between two draws (seconds). Keys are handled between them, however much arrives."""
STATUS_S = 4.0
"""How long a sentence stays in the status line (seconds). Over the timeline it would cover the newest message."""


class ChatScreen(Screen[None]):
    """Draws the model, and implements `ScreenInterface` for the action handlers."""

    DEFAULT_CSS = """
    ChatScreen { layout: vertical; }
    ChatScreen #heading, ChatScreen #status { background: $panel; }
    ChatScreen #mode { display: none; }
    ChatScreen #rooms { width: 22; height: 1fr; background: $panel; padding-right: 1; }
    ChatScreen #people { width: 18; height: 1fr; background: $panel; padding: 0 1; }
    ChatScreen #middle { height: 1fr; }
    """

    composer: Composer
    timeline: Timeline

    def __init__(
        self,
        runtime: ScreenRuntime,
        actions: dict[str, Action],
        zone: tzinfo | None = None,
        *,
        uses_mouse: bool = True,
    ) -> None:
        """`zone` is the time zone of the timestamps; None: the local one."""
        super().__init__()
        self.runtime, self.model = runtime, runtime.model
        self.timeline_view = TimelineView(runtime.model)
        self.bind_keys(actions)
        self.handlers = ActionHandlers(self)
        self._panes = SidePanes()
        self._zone = zone
        self._draw_is_due = False
        self._open_command: Sequence[str] = ()
        self.mouse = MouseCapture(is_used=uses_mouse)
        self._status = ""
        """A sentence in the status line, for a few seconds."""
        self._status_timer: Timer | None = None
        self._mode: tuple[ComposeMode | None, int] = (None, 0)
        """What the composer is for, and the beginning of the thread that is open, as it is shown."""
        self._shown: tuple[int, PeopleState] = (0, self.model.people.known)
        """The count of replaced messages, and what is known of users, as an open picker shows them."""
        self._forgotten = 0
        """The model's count of forgotten texts, as far as it was followed."""
        self._sheets = SheetOpener(self.model, zone)
        self._draft_of: tuple[str, int] = ("", 0)
        """The room, and the beginning of its open thread, whose draft is in the composer."""

    def compose(self) -> ComposeResult:
        yield RowWidget(id="heading")
        with Horizontal(id="middle"):
            yield RowWidget(id="rooms")
            yield Timeline()
            yield RowWidget(id="people")
        yield RowWidget(id="status")
        yield RowWidget(id="mode")
        yield Composer()

    def on_mount(self) -> None:
        self.composer = self.query_one(Composer)
        self.timeline = self.query_one(Timeline)
        self.composer.focus()
        self._load_draft()
        self.runtime.on_change(self.changed)
        self.set_interval(1, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        self._place_panes(event.size.width)
        self.call_after_refresh(self.draw)

    # Keys and actions.

    def bind_keys(self, actions: dict[str, Action]) -> None:
        """Use the keys of this table from now on."""
        self.actions = actions
        self._keys = ScreenKeys(actions)

    def key_of(self, action: str) -> str:
        """The first key of an action as written on keyboards; empty if it has none."""
        return self._keys.label(action)

    def is_key_of(self, action: str, event: events.Key) -> bool:
        """Whether this key is bound to an action, while no message is selected."""
        return self._keys.usual_action(name_of(event.key, event.character)) == action

    def press(self, event: events.Key) -> bool:
        """Handle a key; False if it has no meaning here."""
        selecting = self.model.selected is not None
        action = self._keys.action(name_of(event.key, event.character), self.model)
        if action is not None:
            self.perform(action)
        elif selecting and event.character and event.character.isdecimal():
            self.handlers.reading.open_link(int(event.character))
            self.runtime.settle()
        elif typed := typed_text(event):
            if selecting:
                self.perform("unselect")
            self.composer.type(typed)
            self._keep_draft()
            self.report_typing()
        elif event.character and unicodedata.category(event.character[0]) != "Cc" and removed(event.character):
            self.show_status(removed(event.character))
        else:
            return False
        return True

    def perform(self, action: str) -> None:
        """Perform an action of the table, by its name."""
        self._keep_draft()
        if not self.composer.run_editing(action):
            self.handlers.table[action]()
        self._keep_draft()
        self.runtime.settle()

    # For action handlers.

    def show_status(self, sentence: str) -> None:
        if width_of(sentence) > self.size.width - 2 and self.model.position.follows:
            self.runtime.notice(sentence)
            return
        self._status = sentence
        if self._status_timer is not None:
            self._status_timer.stop()
        self._status_timer = self.set_timer(STATUS_S, self._clear_status)
        self._draw_status()

    def show_transfer(self, progress: str) -> None:
        """Show how far a file is that is sent or saved; an empty text ends that."""
        if progress:
            self.show_status(progress)
        else:
            self._clear_status()

    def _clear_status(self) -> None:
        self._status, self._status_timer = "", None
        self._draw_status()

    def pick(
        self,
        title: str,
        items: ItemFilter,
        on_choice: OnChoice,
        *,
        typed: str = "",
        empty: EmptyText = no_match,
        keys: Mapping[str, Callable[[], None]] = NO_KEYS,
    ) -> Picker:
        picker = Picker(title, items, on_choice, edit_keys=self._keys.editing, typed=typed, empty=empty, keys=keys)
        self.app.push_screen(picker)
        return picker

    def confirm(self, question: str, yes: str, on_yes: Callable[[], object]) -> None:
        self._sheets.ask(self.app, question, yes, on_yes)

    def show_help(self, *, commands_first: bool) -> None:
        self._sheets.show_help(self.app, self.actions, commands_first=commands_first)

    def show_profile(self, username: str, on_write: Callable[[], None]) -> None:
        def closed(writes: bool) -> None:
            if writes:
                on_write()
            self.changed()

        self._sheets.show_profile(self.app, username, closed)
        self.changed()

    def show_palette(self) -> None:
        self.app.action_command_palette()

    def copy(self, text: str) -> str:
        return Clipboard(os.environ, self.app.copy_to_clipboard).copy(text)

    @property
    def open_command(self) -> Sequence[str]:
        return self._open_command

    def use_open_command(self, command: Sequence[str]) -> None:
        """Open links with this program from now on; empty: choose one."""
        self._open_command = command

    def toggle_mouse(self) -> bool:
        return self.mouse.use(self.app, uses=not self.mouse.is_used)

    def next_theme(self) -> str:
        return self.app.next_theme() if isinstance(self.app, ThemedApp) else self.app.theme

    def toggle_pane(self, pane: str) -> None:
        self._panes.toggle(pane, self.size.width)
        self._place_panes(self.size.width)
        self.call_after_refresh(self.draw)

    def redraw(self) -> None:
        self.refresh(repaint=True, layout=True)

    def stop_job(self) -> None:
        if (driver := self.app._driver) is not None and driver.can_suspend:  # noqa: SLF001 - the only access to it
            stop_job()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        with self.app.batch_update(), self.app.suspend():
            yield

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(work, exclusive=True)

    def changed(self) -> None:
        """Draw soon, once for all changes until then. The composer and an open picker follow at once."""
        if not self.is_running:
            return
        self._update_pickers()
        self._sheets.draw_profile()
        if (listing := self.model.take_listing()) is not None:
            self.handlers.messages.show_list(listing)
        if self._place() != self._draft_of:
            self._load_draft()
        elif (self.model.room.input.mode, self._draft_of[1]) != self._mode:
            self._show_mode()
        if not self._draw_is_due:
            self._draw_is_due = True
            self.set_timer(DRAW_S, self.draw)

    def _update_pickers(self) -> None:
        """Take texts that were erased or edited out of an open picker and out of the composer's memory.

        The presence of users in a picker is brought up to date, too.
        """
        shown = (self.model.directory.totals.replaced, self.model.people.known)
        if shown != self._shown:
            self._shown = shown
            for screen in self.app.screen_stack:
                if isinstance(screen, Picker):
                    screen.update_items()
        if (forgotten := self.model.directory.totals.forgotten) != self._forgotten:
            self._forgotten = forgotten
            self.composer.forget()

    # Drawing.

    def draw(self) -> None:
        """Draw the present state."""
        self._draw_is_due = False
        if not self.is_mounted or self.timeline.size.height == 0:
            return
        model, size = self.model, self.timeline.size
        search = self.handlers.reading.search
        style = RowStyle(size.width, model.status.username, search.text, self._zone)
        rows = self.timeline_view.draw(style, size.height)
        self.timeline.show(*at_bottom(rows, size.height, model.selected or search.found))
        if model.requests:
            self.runtime.settle()
        self._draw_around()

    def _draw_around(self) -> None:
        model = self.model
        rooms, people = self.query_one("#rooms", RowWidget), self.query_one("#people", RowWidget)
        self.query_one("#heading", RowWidget).show([heading(model, self.size.width)])
        height = rooms.content_size.height
        self._report_names(rooms, people)
        rooms.show(room_rows(model, rooms.content_size.width, height), open_room_line(model, height))
        people.show(people_rows(model, people.content_size.width, people.content_size.height))
        self._draw_status()

    def _draw_status(self) -> None:
        row = status_line.row(
            self.model,
            self.size.width,
            sentence=self._status,
            retry_in_s=self.runtime.retry_in_s,
            try_key=self.key_of("try-now"),
            help_key=self.key_of("help"),
            keys=self._keys.hints(self.model, self.handlers.reading.search),
        )
        self.query_one("#status", RowWidget).show([row])

    def _report_names(self, rooms: RowWidget, people: RowWidget) -> None:
        """Say which names are on the screen now."""
        if not isinstance(self.app.screen, Picker):
            self.model.people.list_names(())
        rooms_height, people_height = (pane.content_size.height if pane.display else 0 for pane in (rooms, people))
        self.runtime.people.show(names_on_screen(self.model, rooms_height=rooms_height, people_height=people_height))

    def _tick(self) -> None:
        """Update the countdown to the next attempt, and how long the server has not answered."""
        status, silent_s = self.model.status, self.model.status.silent_s
        self.runtime.check_response()
        self.runtime.follow_people()
        if not status.live or status.silent_s != silent_s:
            self._draw_status()

    def _place_panes(self, columns: int) -> None:
        for pane, shown in self._panes.shown(columns).items():
            self.query_one(f"#{pane}").display = shown

    # Drafts, paste and mouse.

    def _place(self) -> tuple[str, int]:
        """Where a message would go: the open room, and the beginning of its open thread."""
        return self.model.room.name, self.model.thread.root if self.model.thread is not None else 0

    def _show_mode(self) -> None:
        """Show what the input is for, with its text."""
        self._mode = (self.model.room.input.mode, self._draft_of[1])
        if self.composer.text != self.model.room.input.draft:
            self.composer.show(self.model.room.input.draft)
        row = self.query_one("#mode", RowWidget)
        back = self.key_of("leave-thread")
        shown = mode_row(self.model, self.key_of("leave-edit"), self.size.width, back_key=back)
        if row.display is not (shown is not None):
            row.display = shown is not None
            self.call_after_refresh(self.draw)  # the timeline has another height then
        row.show([shown] if shown is not None else [])

    def _load_draft(self) -> None:
        """Put the draft of the open room into the composer."""
        room = self.model.room
        self._draft_of = self._place()
        to = shown_room(room.name) if self.model.thread is None else "this thread"
        placeholder = f"Message {to} ({self.key_of('help') or '/help'}: help)"
        self.composer.load_draft(room.input.draft, placeholder)
        self._show_mode()

    @on(Composer.Changed)
    def _keep_draft(self) -> None:
        """Store the text of the composer as a draft at once: the next key may open another room."""
        if self._draft_of == self._place():
            self.model.room.input.set_draft(self.composer.text)

    def report_typing(self) -> None:
        self.runtime.people.type(self.model.room.name, self.composer.text)

    @on(Composer.Pasted)
    def _pasted(self, pasted: Composer.Pasted) -> None:
        self.handlers.composer.confirm_paste(pasted.text)

    def on_click(self, event: events.Click) -> None:
        """Open the room that was clicked, or the profile of the user. The composer keeps the focus."""
        self.composer.focus()
        pane, line = event.widget, event.y
        height = pane.content_size.height if pane is not None else 0
        if pane is self.query_one("#rooms") and (room := room_at(self.model, height, line)) is not None:
            self.model.open_room(room)
            self.runtime.settle()
        elif pane is self.query_one("#people") and (name := person_at(self.model, height, line)) is not None:
            show_profile(self, name)

    @on(Timeline.Scrolled)
    def _scrolled(self, scrolled: Timeline.Scrolled) -> None:
        self.timeline_view.scroll(scrolled.by)
        self.runtime.settle()
