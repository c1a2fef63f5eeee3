"""Opens sheets over the chat: a question, the help, the profile of a user. Each is imported on first use."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from textual.app import App

from client.screen.actions.action_table import Action
from client.screen.layout.spans import Row
from client.screen.model.chat_model import ChatModel

if TYPE_CHECKING:
    from client.screen.widgets.sheets import ProfileSheet


class SheetOpener:
    """`zone` is the time zone of times in a profile; None: the local one."""

    def __init__(self, model: ChatModel, zone: tzinfo | None) -> None:
        self._model, self._zone = model, zone
        self._profile: ProfileSheet | None = None
        """The open profile."""

    def ask(self, app: App[None], question: str, yes: str, on_yes: Callable[[], object]) -> None:
        """Ask a question; `yes` names what Enter does."""
        from client.screen.widgets.sheets import QuestionSheet

        def answered(answer: bool | None) -> None:
            if answer:
                on_yes()

        app.push_screen(QuestionSheet(question, yes), answered)

    def show_help(self, app: App[None], actions: Mapping[str, Action], *, commands_first: bool) -> None:
        from client.screen.widgets.sheets import HelpSheet

        app.push_screen(HelpSheet(actions, commands_first=commands_first))

    def show_profile(self, app: App[None], username: str, on_close: Callable[[bool], None]) -> None:
        """Show the profile of a user as it is known while it is open. `on_close`: whether to write to the user."""
        from client.screen.layout.people.profile_rows import profile_rows
        from client.screen.widgets.sheets import ProfileSheet

        def rows(columns: int) -> list[Row]:
            return profile_rows(self._model, username, columns, datetime.now(UTC), self._zone)

        def closed(writes: bool | None) -> None:
            self._profile = None
            self._model.people.open_profile("")
            on_close(bool(writes))

        self._profile = ProfileSheet(rows)
        self._model.people.open_profile(username)
        app.push_screen(self._profile, closed)

    def draw_profile(self) -> None:
        """Draw the open profile again: more may be known."""
        if self._profile is not None:
            self._profile.draw()
