"""Interface of the chat screen for action handlers."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from client.screen.actions.action_table import Action
from client.screen.input.tab_completion import CompletionSources
from client.screen.layout.picker_items import PickerItem
from client.screen.layout.viewport import TimelineView
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime

ItemFilter: TypeAlias = Callable[[str], Sequence[PickerItem]]
"""Returns the items of a picker that match the typed text."""
OnChoice: TypeAlias = Callable[[str, str], None]
"""Takes the value of the chosen item (empty if none matched) and the typed text."""
EmptyText: TypeAlias = Callable[[str], str]
"""Returns what a picker shows if nothing matches the typed text."""

NO_KEYS: Mapping[str, Callable[[], None]] = MappingProxyType({})


def no_match(_typed: str) -> str:
    return "No match."


class ComposerInterface(Protocol):
    """The input at the bottom of the screen."""

    @property
    def text(self) -> str: ...

    def type(self, text: str) -> None:
        """Insert text at the cursor."""

    def show(self, text: str) -> None:
        """Replace the text, with the cursor at its end; undo restores the old one."""

    def with_pasted(self, text: str) -> str:
        """Return what the text would be with `text` inserted."""

    def complete(self, sources: CompletionSources) -> None:
        """Complete the word before the cursor; called again, insert the next choice."""


class PickerInterface(Protocol):
    """A picker on the screen."""

    @property
    def is_open(self) -> bool:
        """Whether the user has neither chosen nor cancelled."""

    @property
    def typed(self) -> str: ...

    @property
    def value(self) -> str:
        """The value of the item that Enter chooses; empty if nothing matches."""

    def update(self, progress: str) -> None:
        """Look for matches again, with the same one selected, and show how far their search has come."""

    def fill(self, items: ItemFilter, empty: EmptyText) -> None:
        """Replace the items, and the text that is shown if none match."""


class ScreenInterface(Protocol):
    """The chat screen. Modal screens that it opens are closed by the user."""

    @property
    def runtime(self) -> ScreenRuntime: ...

    @property
    def model(self) -> ChatModel: ...

    @property
    def timeline_view(self) -> TimelineView: ...

    @property
    def composer(self) -> ComposerInterface: ...

    @property
    def actions(self) -> Mapping[str, Action]: ...

    def key_of(self, action: str) -> str:
        """Return the first key of an action as written on keyboards; empty if it has none."""

    def show_status(self, sentence: str) -> None:
        """Show an inert sentence in the status line for a few seconds; one that is too long, in the room."""

    def pick(
        self,
        title: str,
        items: ItemFilter,
        on_choice: OnChoice,
        *,
        typed: str = "",
        empty: EmptyText = no_match,
        keys: Mapping[str, Callable[[], None]] = NO_KEYS,
    ) -> PickerInterface:
        """Open a picker, with `typed` selected in its input; `keys` are what some more keys do."""

    def confirm(self, question: str, yes: str, on_yes: Callable[[], object]) -> None:
        """Ask a question; `yes` names what Enter does."""

    def show_help(self, *, commands_first: bool) -> None:
        """Open the help on keys and commands."""

    def show_profile(self, username: str, on_write: Callable[[], None]) -> None:
        """Open the profile of a user; Enter closes it and calls `on_write`."""

    def show_palette(self) -> None:
        """Open the command palette."""

    def copy(self, text: str) -> str:
        """Copy text; return a sentence about where it is."""

    @property
    def open_command(self) -> Sequence[str]:
        """The configured program that opens links; empty: choose one."""

    def toggle_mouse(self) -> bool:
        """Take the mouse, or leave it to the terminal; return whether it is taken now."""

    def next_theme(self) -> str:
        """Switch to the next theme and return its name."""

    def toggle_pane(self, pane: str) -> None:
        """Show or hide a pane: `rooms` or `people`."""

    def redraw(self) -> None:
        """Draw the whole screen again."""

    def stop_job(self) -> None:
        """Return to the shell until it continues this program."""

    def changed(self) -> None:
        """Draw soon: the state has changed."""

    def suspended(self) -> AbstractContextManager[None]:
        """Give the terminal to another program."""

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; one that is still running is cancelled."""
