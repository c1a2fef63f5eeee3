"""Which of the two side panes are shown: by the width of the terminal, unless the user chose. Pure."""

from collections.abc import Mapping

FROM_COLUMNS = {"rooms": 72, "people": 110}
"""Terminal widths from which a pane is shown by default."""
BOTH_FROM_COLUMNS = 80
"""Below this width, opening one pane closes the other, to leave room for messages."""


class SidePanes:
    """The room list and the list of active people."""

    def __init__(self) -> None:
        self._chosen: dict[str, bool] = {}
        """Whether the user shows a pane."""

    def shown(self, columns: int) -> Mapping[str, bool]:
        """Whether each pane is shown in a terminal of this width."""
        return {pane: self._chosen.get(pane, columns >= width) for pane, width in FROM_COLUMNS.items()}

    def toggle(self, pane: str, columns: int) -> None:
        """Show or hide a pane, as the user wants."""
        shown = self._chosen[pane] = not self.shown(columns)[pane]
        if shown and columns < BOTH_FROM_COLUMNS:
            self._chosen["people" if pane == "rooms" else "rooms"] = False
