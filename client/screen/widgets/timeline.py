"""The timeline: the rows of the room that is looked at, painted where one looks; and a message selected among them."""

from textual import events
from textual.message import Message

from client.screen.layout.message_rows import BAR_CHOSEN
from client.screen.layout.spans import Row, SpanRole
from client.screen.layout.viewport import ViewportRow
from client.screen.widgets.row_widget import RowWidget

WHEEL_LINES = 3


class Timeline(RowWidget):
    """The rows, at the bottom of the space that there is."""

    DEFAULT_CSS = "Timeline { width: 1fr; height: 1fr; padding: 0 1; }"

    class Scrolled(Message):
        """The wheel was turned."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self) -> None:
        super().__init__(id="timeline")
        self.lines: list[ViewportRow] = []

    def put(self, lines: list[ViewportRow], selected: object) -> None:
        """Show these lines at the bottom of the space there is; those of the selected block stand out."""
        self.lines = lines
        blank = self.size.height - len(lines)
        marked = {blank + at for at, line in enumerate(lines) if line.key == selected}
        self.paint(
            [*([()] * blank), *(_chosen(line.row) if line.key == selected else line.row for line in lines)], marked
        )

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Scrolled(-WHEEL_LINES))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Scrolled(WHEEL_LINES))


def _chosen(row: Row) -> Row:
    """The row with a thicker bar: a colour alone would tell some people nothing."""
    return tuple(piece._replace(text=BAR_CHOSEN) if piece.role is SpanRole.BAR else piece for piece in row)
