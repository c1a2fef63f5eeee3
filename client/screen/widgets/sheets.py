"""Modal sheets: help on keys and commands, the profile of a user, and a yes-or-no question."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen

from client.faces.slash.slash_parser import help_lines
from client.screen.actions.action_table import Action, sections
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.widgets.row_widget import RowWidget
from client.text.line_wrap import hang


class HelpSheet(ModalScreen[None]):
    """All actions with their keys, and all slash commands, from the tables that define them.

    `commands_first` puts the slash commands above the keys.
    """

    DEFAULT_CSS = """
    HelpSheet { align: center middle; }
    HelpSheet Vertical { width: 96%; max-width: 100; height: 94%; background: $panel; border: round $accent; }
    HelpSheet RowWidget { height: 1fr; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1,enter,ctrl+c", "dismiss(None)", show=False, priority=True),
        Binding("up,k", "move(-1)", show=False, priority=True),
        Binding("down,j", "move(1)", show=False, priority=True),
        Binding("pageup,b", "move(-10)", show=False, priority=True),
        Binding("pagedown,space", "move(10)", show=False, priority=True),
        Binding("home", "move(-1000)", show=False, priority=True),
        Binding("end", "move(1000)", show=False, priority=True),
    ]

    def __init__(self, actions: Mapping[str, Action], *, commands_first: bool = False) -> None:
        super().__init__()
        self._actions = actions
        self._commands_first = commands_first
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Help"
            box.border_subtitle = "Up, Down, PgUp, PgDn scroll; Esc closes"
            yield RowWidget()

    def on_resize(self) -> None:
        self.call_after_refresh(self.action_move, 0)

    def action_move(self, by: int) -> None:
        area = self.query_one(RowWidget)
        columns = area.content_size.width
        parts = [key_rows(self._actions, columns), command_rows(columns)]
        rows = list(chain(*(reversed(parts) if self._commands_first else parts)))
        self._at = max(0, min(self._at + by, len(rows) - area.content_size.height))
        area.show(rows[self._at : self._at + area.content_size.height])


def key_rows(actions: Mapping[str, Action], columns: int) -> list[Row]:
    """Lay out the help on keys."""
    out: list[Row] = []
    for scope, rows in sections(actions):
        out += [
            (Span(scope, SpanRole.TITLE),),
            *(row for _, keys, description in rows for row in _entry(keys, description, columns)),
            (),
        ]
    return out


def command_rows(columns: int) -> list[Row]:
    """Lay out the help on slash commands."""
    commands = [line.split("  ", 1) for line in help_lines()]
    rows = (row for usage, description in commands for row in _entry(usage, description.strip(), columns))
    return [(Span("Commands", SpanRole.TITLE),), *rows, ()]


def _entry(keys: str, description: str, columns: int) -> list[Row]:
    prefix = f"  {keys:<24} "
    first, *others = hang(prefix, [description], columns + 1)
    return [
        (Span(prefix, SpanRole.TITLE), Span(first, SpanRole.TEXT)),
        *((Span(line, SpanRole.TEXT),) for line in others),
    ]


class ProfileSheet(ModalScreen[bool]):
    """The profile of a user, laid out by `rows` for a number of columns; the result is whether to write to them."""

    DEFAULT_CSS = """
    ProfileSheet { align: center middle; }
    ProfileSheet Vertical { width: 96%; max-width: 64; height: auto; max-height: 94%; }
    ProfileSheet Vertical { background: $panel; border: round $accent; }
    ProfileSheet RowWidget { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f5,ctrl+c", "dismiss(False)", show=False, priority=True),
        Binding("enter", "dismiss(True)", show=False, priority=True),
        Binding("up,k", "move(-1)", show=False, priority=True),
        Binding("down,j", "move(1)", show=False, priority=True),
    ]

    def __init__(self, rows: Callable[[int], list[Row]]) -> None:
        super().__init__()
        self._rows = rows
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Profile"
            box.border_subtitle = "Enter: write · Esc: close"
            yield RowWidget()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def action_move(self, by: int) -> None:
        self._at = max(0, self._at + by)
        self.draw()

    def draw(self) -> None:
        """Draw what is known now."""
        with suppress(NoMatches):  # not composed yet, or being closed with the app
            area = self.query_one(RowWidget)
            rows = self._rows(area.content_size.width)
            area.styles.height = len(rows)
            area.styles.max_height = self.size.height - 4
            self._at = min(self._at, max(0, len(rows) - max(1, self.size.height - 4)))
            area.show(rows[self._at :])


class QuestionSheet(ModalScreen[bool]):
    """A question; Enter answers yes, Esc no."""

    DEFAULT_CSS = """
    QuestionSheet { align: center middle; }
    QuestionSheet Vertical { width: 80%; max-width: 64; height: auto; background: $panel; border: round $warning; }
    QuestionSheet RowWidget { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "dismiss(True)", show=False, priority=True),
        Binding("escape,n,ctrl+c", "dismiss(False)", show=False, priority=True),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Confirm"
            box.border_subtitle = f"Enter: {self._yes} · Esc: cancel"
            yield RowWidget()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        area = self.query_one(RowWidget)
        lines = hang("", [self._question], area.content_size.width + 1)
        area.styles.height = len(lines)
        area.show([(Span(line, SpanRole.TEXT),) for line in lines])
