"""Widget that draws rows of spans, line by line and only as many as are on the screen."""

from textual.strip import Strip
from textual.widget import Widget

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.themes import Theme
from client.screen.layout.spans import Row
from client.screen.widgets.row_styles import segments, selected_style
from client.screen.widgets.themed_app import ThemedApp


class RowWidget(Widget):
    """Draws `rows`. Their text is never interpreted as markup."""

    DEFAULT_CSS = "RowWidget { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the name is Textual's
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.selected: set[int] = set()
        """Numbers of the rows that are drawn as selected."""

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._theme_changed, init=False)

    def _theme_changed(self) -> None:
        self.refresh()

    @property
    def colours(self) -> Theme:
        return self.app.colours if isinstance(self.app, ThemedApp) else BUILT_IN[DEFAULT]

    def show(self, rows: list[Row], selected: set[int] | None = None) -> None:
        """Draw these rows, unless they are drawn already."""
        selected = selected or set()
        if rows != self.rows or selected != self.selected:
            self.rows, self.selected = rows, selected
            self.refresh()

    def render_line(self, y: int) -> Strip:
        base, selected = self.rich_style, y in self.selected
        if y >= len(self.rows):
            return Strip.blank(self.size.width, base)
        strip = Strip(segments(self.rows[y], self.colours, selected=selected))
        rest = selected_style(self.colours) if selected else base
        return strip.adjust_cell_length(self.size.width, rest).apply_style(base)
