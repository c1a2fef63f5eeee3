"""Widgets that are painted line by line from rows of pieces: as many lines as are on the screen, whatever there is."""

from textual.strip import Strip
from textual.widget import Widget

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.themes import Theme
from client.screen.layout.spans import Row
from client.screen.widgets.row_styles import chosen_style, segments
from client.screen.widgets.themed_app import ThemedApp


class RowWidget(Widget):
    """Paints `rows`. Nothing in them is ever read as markup."""

    DEFAULT_CSS = "RowWidget { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as Textual has it
        super().__init__(id=id)
        self.shown: list[Row] = []
        self.marked: set[int] = set()
        """The lines that stand out."""

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._repaint, init=False)

    def _repaint(self) -> None:
        self.refresh()

    @property
    def colours(self) -> Theme:
        return self.app.colours if isinstance(self.app, ThemedApp) else BUILT_IN[DEFAULT]

    def paint(self, rows: list[Row], marked: set[int] | None = None) -> None:
        """Show these rows; nothing is drawn if they are those that are shown."""
        marked = marked or set()
        if rows != self.shown or marked != self.marked:
            self.shown, self.marked = rows, marked
            self.refresh()

    def render_line(self, y: int) -> Strip:
        base, chosen = self.rich_style, y in self.marked
        if y >= len(self.shown):
            return Strip.blank(self.size.width, base)
        painted = Strip(segments(self.shown[y], self.colours, chosen=chosen))
        rest = chosen_style(self.colours) if chosen else base
        return painted.adjust_cell_length(self.size.width, rest).apply_style(base)
