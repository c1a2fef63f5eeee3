"""The screen as what acts on it sees it: for actions, which it calls, and which must not know it in return."""

from collections.abc import Awaitable
from typing import Any, Protocol

from textual.app import App

from client.screen.actions.action_table import Action
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from client.screen.widgets.composer import Composer
from client.screen.widgets.timeline import Timeline


class ScreenInterface(Protocol):
    """What can be acted on."""

    shell: ScreenRuntime
    model: ChatModel
    composer: Composer
    timeline: Timeline
    actions: dict[str, Action]
    edits: dict[str, str]
    """Which key edits a line, and how."""

    @property
    def app(self) -> App[Any]:
        """The program around it."""

    def changed(self) -> None:
        """Something is new, and is to be drawn soon."""

    def key_of(self, name: str) -> str:
        """The first key of an action as it is written on keyboards; empty if it has none."""

    def toggle(self, pane: str) -> None:
        """Show the rooms or the people, or hide them."""

    def run_worker(self, work: Awaitable[None], *, exclusive: bool) -> object:
        """Do something that takes its time; `exclusive`: in place of what was done so before."""

    def refresh(self, *, repaint: bool, layout: bool) -> object:
        """Draw everything anew."""
