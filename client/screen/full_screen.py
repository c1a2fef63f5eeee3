"""The full screen put together: model, connection, outbox, memory and program."""

import os
import termios
from contextlib import suppress

from client.commands import account
from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.config_schema import Config
from client.config.live_config import LiveConfig
from client.context import ClientContext
from client.core.events import RoomRequested
from client.core.notes import Note
from client.faces.pipe_faces import failure_of
from client.faces.slash_commands import SlashCommands
from client.failures import ExitCode, UsageError
from client.net.chat_connection import ChatConnection
from client.notifications.notifier import Notifier, notifier
from client.output import report_unsent
from client.screen import hangup_watch
from client.screen.actions.action_table import usual, with_keys
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import last_room, recall, remember
from client.screen.runtime import ScreenRuntime
from client.screen.state_file import StateFile
from client.screen.widgets.chat_app import ChatApp
from client.store.name_cache import NameCache

SENT_S = 2.0
STDIN = 0
ROWS, COLUMNS = 24, 80


def _with_size(terminal: int) -> None:
    """Give a size to a terminal that has none, as serial lines and new ones in containers: Textual would take two."""
    with suppress(termios.error):
        if 0 in termios.tcgetwinsize(terminal):
            termios.tcsetwinsize(terminal, (ROWS, COLUMNS))


async def chat(place: ClientContext, room: str | None) -> ExitCode:
    """Open the full screen, and stay until somebody ends it or the session ends; raises `Failure`.

    `room` is the one to look at first; None: the one that was looked at last.
    """
    _with_size(STDIN)
    session = place.tokens.session()
    keeper = StateFile(place.home, place.server, session.username)
    kept = keeper.load()
    model = ChatModel(place.server, room or last_room(kept) or place.config.room)
    kept_theme = recall(model, kept)
    model.status.username = session.username
    shell = ScreenRuntime(model)
    live = LiveConfig(os.environ, place.overrides, usual())
    app = _app(shell, keeper, live, kept_theme)
    told = _notices(live.now.config, app)
    app.configure_notices = told.configure

    def show(note: Note) -> None:
        model.acquaintances = known.names.people
        shell.show(note)
        told.on(note, model.room.name, focused=app.app_focus)

    with place.outbox(session) as outbox, NameCache(place.name_cache_path(session)) as known:
        shell.performer = SlashCommands(shell, place, known)
        shell.connection = ChatConnection(place.server, place.tokens, known.learning(show), outbox=outbox)
        shell.connection.request(RoomRequested(model.room.name))
        hangup_watch.watch(STDIN, app.exit, lambda: keeper.save(remember(model, app.theme), last=True))
        try:
            await app.run_async()
        finally:
            told.close()
            keeper.save(remember(model, app.theme), last=True)
            ended = await shell.end(SENT_S)
    if app.return_code:
        return ExitCode.BUG  # Textual has shown it
    if shell.logs_out:
        return account.logout(place)
    left = report_unsent(model.status.unsent)
    if failure := failure_of(ended):
        raise failure
    return left


def _app(shell: ScreenRuntime, keeper: StateFile, live: LiveConfig, kept_theme: str) -> ChatApp:
    """The configured program; the theme may come from the last run. Raises `UsageError` for a configuration mistake."""
    if live.now.problems:
        raise UsageError(live.now.problems[0])
    app = ChatApp(shell, actions=with_keys(live.now.config.keys), keeper=keeper, live=live)
    app.wear(live.now.theme if live.now.config.theme else BUILT_IN.get(kept_theme, BUILT_IN[DEFAULT]))
    return app


def _notices(config: Config, app: ChatApp) -> Notifier:
    """What is told of new messages. The terminal is written to past what Textual draws, and nothing of it is moved."""

    def write(sequence: str) -> None:
        if (driver := app._driver) is not None:  # noqa: SLF001 - the only way to the terminal while Textual has it
            driver.write(sequence)
            driver.flush()

    return notifier(config.notices, app.notify, os.environ, write)
