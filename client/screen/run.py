"""The full screen put together: model, connection, outbox, memory and program."""

import os
import termios
from contextlib import suppress

from client import account
from client.connection import Connection
from client.faces.carry_out import Performer
from client.faces.pipes import failure_of
from client.failures import Exit, Usage
from client.home.config import Config
from client.home.live import Live
from client.home.palettes import BUILT_IN, DEFAULT
from client.known import Known
from client.notes import Note
from client.notices.notices import Notices, notices
from client.place import Place, tell_unsent
from client.screen import hangup
from client.screen.actions import usual, with_keys
from client.screen.app import ChatApp
from client.screen.keeping import Keeper
from client.screen.memory import last_room, recall, remember
from client.screen.model import Model
from client.screen.shell import Shell

SENT_S = 2.0
STDIN = 0
ROWS, COLUMNS = 24, 80


def _with_size(terminal: int) -> None:
    """Give a size to a terminal that has none, as serial lines and new ones in containers: Textual would take two."""
    with suppress(termios.error):
        if 0 in termios.tcgetwinsize(terminal):
            termios.tcsetwinsize(terminal, (ROWS, COLUMNS))


async def chat(place: Place, room: str | None) -> Exit:
    """Open the full screen, and stay until somebody ends it or the session ends; raises `Failure`.

    `room` is the one to look at first; None: the one that was looked at last.
    """
    _with_size(STDIN)
    session = place.tokens.session()
    keeper = Keeper(place.home, place.server, session.username)
    kept = keeper.load()
    model = Model(place.server, room or last_room(kept) or place.config.room)
    kept_theme = recall(model, kept)
    model.status.username = session.username
    shell = Shell(model)
    live = Live(os.environ, place.named, usual())
    app = _app(shell, keeper, live, kept_theme)
    told = _notices(live.now.config, app)
    app.configure_notices = told.configure

    def show(note: Note) -> None:
        model.acquaintances = known.names.people
        shell.show(note)
        told.on(note, model.room.name, focused=app.app_focus)

    with place.outbox(session) as outbox, Known(place.known_path(session)) as known:
        shell.performer = Performer(shell, place, known)
        shell.connection = Connection(place.server, place.tokens, known.before(show), outbox=outbox)
        shell.connection.enter(model.room.name)
        hangup.watch(STDIN, app.exit, lambda: keeper.save(remember(model, app.theme), last=True))
        try:
            await app.run_async()
        finally:
            told.close()
            keeper.save(remember(model, app.theme), last=True)
            ended = await shell.end(SENT_S)
    if app.return_code:
        return Exit.BUG  # Textual has shown it
    if shell.logs_out:
        return account.logout(place)
    left = tell_unsent(model.status.unsent)
    if failure := failure_of(ended):
        raise failure
    return left


def _app(shell: Shell, keeper: Keeper, live: Live, kept_theme: str) -> ChatApp:
    """The program as it is configured, or, for the theme, as it was when it ended; raises `Usage` for a mistake."""
    if live.now.problems:
        raise Usage(live.now.problems[0])
    app = ChatApp(shell, actions=with_keys(live.now.config.keys), keeper=keeper, live=live)
    app.wear(live.now.theme if live.now.config.theme else BUILT_IN.get(kept_theme, BUILT_IN[DEFAULT]))
    return app


def _notices(config: Config, app: ChatApp) -> Notices:
    """What is told of new messages. The terminal is written to past what Textual draws, and nothing of it is moved."""

    def write(sequence: str) -> None:
        if (driver := app._driver) is not None:  # noqa: SLF001 - the only way to the terminal while Textual has it
            driver.write(sequence)
            driver.flush()

    return notices(config.notices, app.notify, os.environ, write)
