"""A list to choose from, narrowed by what one types: rooms, links, texts, places."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from client.screen.input.input_field import InputField
from client.screen.input.picker_items import PickerItem
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.widgets.key_names import name_of
from client.screen.widgets.row_widget import RowWidget
from client.text.line_wrap import hang, width_of

Narrow = Callable[[str], Sequence[PickerItem]]
Chosen = Callable[[str, str], None]

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
LEAVES = {"escape", "ctrl+c", "ctrl+g"}


class Picker(ModalScreen[None]):
    """`narrow` tells the choices for a text; `chosen` is called with what was chosen, if anything, and what was typed.

    It is given its keys one by one, and each is done when `press` returns: whatever comes in one burst, Enter chooses
    from what was typed before it, and what follows goes to the screen below.
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
        narrow: Narrow,
        chosen: Chosen,
        *,
        edits: Mapping[str, str],
        typed: str = "",
        empty: str = "nothing fits",
    ) -> None:
        super().__init__()
        self.ready = asyncio.Event()
        """Set when keys can be taken."""
        self._title, self._narrow, self._chosen, self._edits = title, narrow, chosen, edits
        self._field = InputField(typed, len(typed))
        self._choices = narrow(typed)
        self._empty = empty
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            yield RowWidget(id="typed")
            yield RowWidget(id="choices")

    def on_mount(self) -> None:
        self.ready.set()
        self.call_after_refresh(self._paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self._paint)

    def fill(self, narrow: Narrow, empty: str) -> None:
        """Have other choices, and another word for where there are none."""
        self._narrow, self._empty = narrow, empty
        self._narrow_down()

    def press(self, event: events.Key) -> None:
        """Do what a key means."""
        key = name_of(event.key, event.character)
        if key == "enter":
            self.dismiss()
            self._chosen(self._choices[self._at].value if self._choices else "", self._field.text)
        elif key in LEAVES:
            self.dismiss()
        elif key in MOVES:
            self._at = max(0, min(self._at + MOVES[key], len(self._choices) - 1))
            self._paint()
        elif event.is_printable and event.character:
            self.type(event.character)
        elif self._field.act(self._edits.get(key, "")):
            self._narrow_down()

    def type(self, text: str) -> None:
        """Write on; `text` is inert."""
        self._field.type(" ".join(text.splitlines()))
        self._narrow_down()

    def _narrow_down(self) -> None:
        self._choices, self._at = self._narrow(self._field.text), 0
        self._paint()

    def _paint(self) -> None:
        typed, area = self.query_one("#typed", RowWidget), self.query_one("#choices", RowWidget)
        typed.paint([_written(self._field, typed.content_size.width)])
        width, height = area.content_size
        first = max(0, min(self._at - height // 2, len(self._choices) - height))
        shown = self._choices[first : first + height]
        rows = [_row(choice, width, chosen=first + at == self._at) for at, choice in enumerate(shown)]
        nothing: list[Row] = [(Span(line, SpanRole.NOTICE),) for line in hang("", [self._empty], width + 1)]
        area.paint(rows or nothing, {self._at - first} if rows else set())


def _written(field: InputField, columns: int) -> Row:
    """The line that is written on; of a long one, what is before the cursor."""
    before, under, after = (
        field.text[: field.at],
        field.text[field.at : field.at + 1] or " ",
        field.text[field.at + 1 :],
    )
    while before and width_of(before) > columns - 2:
        before = before[1:]
    return (Span(before, SpanRole.TEXT), Span(under, SpanRole.FOUND), Span(after, SpanRole.TEXT))


def _row(choice: PickerItem, columns: int, *, chosen: bool) -> Row:
    about = fitting(choice.about, columns // 2)
    text = fitting(("▸ " if chosen else "  ") + choice.text, columns - width_of(about) - 1)
    gap = " " * (columns - width_of(text) - width_of(about))
    return (Span(text, SpanRole.TEXT), Span(gap, SpanRole.TIME), Span(about, SpanRole.TIME))
