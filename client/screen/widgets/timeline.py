"""Widget of the timeline: draws its rows, and reports the mouse wheel."""

from textual import events
from textual.message import Message

from client.screen.widgets.row_widget import RowWidget

WHEEL_ROWS = 3


class Timeline(RowWidget):
    """Fills the middle of the screen."""

    DEFAULT_CSS = "Timeline { width: 1fr; height: 1fr; padding: 0 1; }"

    class Scrolled(Message):
        """The mouse wheel was turned; `by` is in rows, negative is up."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self) -> None:
        super().__init__(id="timeline")

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Scrolled(-WHEEL_ROWS))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Scrolled(WHEEL_ROWS))
