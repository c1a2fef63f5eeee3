"""Widgets that are painted line by line from rows of pieces: as many lines as are on the screen, whatever there is."""

from textual.strip import Strip
from textual.widget import Widget

from client.screen.colours import DEFAULT, PALETTES, Palette
from client.screen.pieces import Row
from client.screen.styles import segments


class Painted(Widget):
    """Paints `rows`. Nothing in them is ever read as markup."""

    DEFAULT_CSS = "Painted { height: 1; }"

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
    def palette(self) -> Palette:
        return PALETTES.get(self.app.theme, PALETTES[DEFAULT])

    def paint(self, rows: list[Row], marked: set[int] | None = None) -> None:
        """Show these rows; nothing is drawn if they are those that are shown."""
        marked = marked or set()
        if rows != self.shown or marked != self.marked:
            self.shown, self.marked = rows, marked
            self.refresh()

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y >= len(self.shown):
            return Strip.blank(self.size.width, base)
        painted = segments(self.shown[y], self.palette, selected=y in self.marked)
        return Strip(painted).adjust_cell_length(self.size.width, base).apply_style(base)
