"""A list to choose from, narrowed by what one types: rooms, links, texts, places."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from client.layout import hang, width_of
from client.screen.choosing import Choice
from client.screen.listing import fitting
from client.screen.painted import Painted
from client.screen.pieces import Piece, Role, Row

Narrow = Callable[[str], Sequence[Choice]]


class Picker(ModalScreen[tuple[str, str] | None]):
    """Gives back what was chosen and what was typed; None for nothing. `narrow` tells the choices for a text."""

    DEFAULT_CSS = """
    Picker { align: center top; background: $background 60%; }
    Picker Vertical { width: 90%; max-width: 90; height: 80%; margin-top: 1; }
    Picker Vertical { background: $panel; border: round $accent; }
    Picker Painted { height: 1fr; padding: 0 1; }
    Picker Input { border: none; height: 1; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,ctrl+p", "move(-1)", show=False, priority=True),
        Binding("down,ctrl+n,ctrl+k,ctrl+r", "move(1)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("escape,ctrl+c,ctrl+g", "dismiss(None)", show=False, priority=True),
    ]

    def __init__(self, title: str, narrow: Narrow, *, typed: str = "", empty: str = "nothing fits") -> None:
        super().__init__()
        self._title, self._narrow, self._typed, self._empty = title, narrow, typed, empty
        self._choices: Sequence[Choice] = ()
        self._at = 0
        self._narrowed = ""

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            yield Input(self._typed, select_on_focus=False, compact=True)
            yield Painted()

    def on_mount(self) -> None:
        self.call_after_refresh(self._narrow_down)

    def on_resize(self) -> None:
        self.call_after_refresh(self._paint)

    def fill(self, narrow: Narrow, empty: str) -> None:
        """Have other choices, and another word for where there are none."""
        self._narrow, self._empty = narrow, empty
        if self.is_mounted:
            self._narrow_down()

    @on(Input.Changed)
    def _narrow_down(self) -> None:
        self._narrowed = self.query_one(Input).value
        self._choices, self._at = self._narrow(self._narrowed), 0
        self._paint()

    def _choose(self) -> None:
        typed = self.query_one(Input).value
        if typed != self._narrowed:
            self._narrow_down()
        self.dismiss((self._choices[self._at].value if self._choices else "", typed))

    def on_key(self, event: events.Key) -> None:
        """Keys that come before the line has the focus are not lost."""
        if event.key == "enter":
            event.stop()
            self._choose()
        elif event.is_printable and event.character:
            self.query_one(Input).insert_text_at_cursor(event.character)

    def action_move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._choices) - 1))
        self._paint()

    def _paint(self) -> None:
        area = self.query_one(Painted)
        width, height = area.content_size
        first = max(0, min(self._at - height // 2, len(self._choices) - height))
        shown = self._choices[first : first + height]
        rows = [_row(choice, width, chosen=first + at == self._at) for at, choice in enumerate(shown)]
        nothing: list[Row] = [(Piece(line, Role.NOTICE),) for line in hang("", [self._empty], width + 1)]
        area.paint(rows or nothing, {self._at - first} if rows else set())


def _row(choice: Choice, columns: int, *, chosen: bool) -> Row:
    about = fitting(choice.about, columns // 2)
    text = fitting(("▸ " if chosen else "  ") + choice.text, columns - width_of(about) - 1)
    gap = " " * (columns - width_of(text) - width_of(about))
    return (Piece(text, Role.TEXT), Piece(gap, Role.TIME), Piece(about, Role.TIME))
