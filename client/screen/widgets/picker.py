"""Picker: a modal list to choose from, filtered by what is typed."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen

from client.screen.actions.screen_interface import NO_KEYS, EmptyText, ItemFilter, OnChoice, no_match
from client.screen.input.input_field import InputField
from client.screen.layout.picker_items import PickerItem
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.widgets.key_names import name_of, typed_text
from client.screen.widgets.row_widget import RowWidget
from client.text.line_wrap import hang, width_of

MOVES = {
    "up": -1,
    "ctrl+p": -1,
    "pageup": -10,
    "down": 1,
    "ctrl+n": 1,
    "ctrl+k": 1,
    "ctrl+r": 1,
    "pagedown": 10,
}
CANCEL = {"escape", "ctrl+c", "ctrl+g"}


class Picker(ModalScreen[None]):
    """`on_choice` takes the chosen value, empty if nothing matches, and the typed text.

    The app passes each key to `press`, which handles it completely before the next one: in a burst of keys, Enter
    chooses among the matches of what was typed before it, and the keys after it go to the screen below.
    """

    DEFAULT_CSS = """
    Picker { align: center top; background: $background 60%; }
    Picker Vertical { width: 90%; max-width: 90; height: 80%; margin-top: 1; }
    Picker Vertical { background: $panel; border: round $accent; }
    Picker RowWidget { padding: 0 1; }
    Picker #choices { height: 1fr; }
    """

    def __init__(
        self,
        title: str,
        items: ItemFilter,
        on_choice: OnChoice,
        *,
        edit_keys: Mapping[str, str],
        typed: str = "",
        empty: EmptyText = no_match,
        keys: Mapping[str, Callable[[], None]] = NO_KEYS,
    ) -> None:
        """`typed` is in the field, selected; `keys` are what some more keys do."""
        super().__init__()
        self.ready = asyncio.Event()
        """Set once keys can be handled."""
        self._title, self._items, self._on_choice, self._edit_keys = title, items, on_choice, edit_keys
        self._keys = keys
        self._field = InputField(typed, len(typed), selected=bool(typed))
        self._matches = items(typed)
        self._empty = empty
        self._at = 0
        self._progress = ""
        self._is_open = True

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            box.border_subtitle = self._progress
            yield RowWidget(id="typed")
            yield RowWidget(id="choices")

    def on_mount(self) -> None:
        self.ready.set()
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def fill(self, items: ItemFilter, empty: EmptyText) -> None:
        """Replace the items, and the text that is shown if none match."""
        self._items, self._empty = items, empty
        self._filter()

    @property
    def is_open(self) -> bool:
        """Whether the user has neither chosen nor cancelled."""
        return self._is_open

    @property
    def typed(self) -> str:
        return self._field.text

    @property
    def value(self) -> str:
        """The value of the item that Enter chooses; empty if nothing matches."""
        return self._matches[self._at].value if self._matches else ""

    def update(self, progress: str) -> None:
        """Look for matches again, with the same one selected, and show how far their search has come."""
        at = self.value
        self._matches, self._progress = self._items(self._field.text), progress
        self._at = next((number for number, item in enumerate(self._matches) if item.value == at), 0)
        with suppress(NoMatches):  # not composed yet, or being closed with the app
            self.query_one(Vertical).border_subtitle = progress
            self._draw()

    def update_items(self) -> None:
        """Look for matches again: messages have changed."""
        self.update(self._progress)

    def press(self, event: events.Key) -> None:
        """Handle a key."""
        key = name_of(event.key, event.character)
        if key in self._keys:
            self._keys[key]()
        elif key == "enter":
            self._is_open = False
            self.dismiss()
            self._on_choice(self.value, self._field.text)
        elif key in CANCEL:
            self._is_open = False
            self.dismiss()
        elif key in MOVES:
            self._at = max(0, min(self._at + MOVES[key], len(self._matches) - 1))
            self._draw()
        elif typed := typed_text(event):
            self.type(typed)
        elif self._field.run(self._edit_keys.get(key, "")):
            self._filter()

    def type(self, text: str) -> None:
        """Insert text, which must be inert, at the cursor."""
        self._field.type(" ".join(text.splitlines()))
        self._filter()

    def _filter(self) -> None:
        self._matches, self._at = self._items(self._field.text), 0
        self._draw()

    def _draw(self) -> None:
        typed, area = self.query_one("#typed", RowWidget), self.query_one("#choices", RowWidget)
        typed.show([_field_row(self._field, typed.content_size.width)])
        width, height = area.content_size
        first = max(0, min(self._at - height // 2, len(self._matches) - height))
        visible = self._matches[first : first + height]
        rows = [_item_row(item, width, selected=first + at == self._at) for at, item in enumerate(visible)]
        if rows:
            area.show(rows, {self._at - first})
        else:
            area.show([(Span(line, SpanRole.NOTICE),) for line in hang("", [self._empty(self._field.text)], width + 1)])


def _field_row(field: InputField, columns: int) -> Row:
    """Lay out the input field; a long text is cut before the cursor."""
    before, under, after = (
        field.text[: field.at],
        field.text[field.at : field.at + 1] or " ",
        field.text[field.at + 1 :],
    )
    while before and width_of(before) > columns - 2:
        before = before[1:]
    return (
        Span(before, SpanRole.FOUND if field.selected else SpanRole.TEXT),
        Span(under, SpanRole.FOUND),
        Span(after, SpanRole.TEXT),
    )


def _item_row(item: PickerItem, columns: int, *, selected: bool) -> Row:
    note = fitting(item.note, columns // 2)
    text = fitting(("▸ " if selected else "  ") + item.text, columns - width_of(note) - 1)
    gap = " " * (columns - width_of(text) - width_of(note))
    return (Span(text, SpanRole.TEXT), Span(gap, SpanRole.TIME), Span(note, SpanRole.TIME))
