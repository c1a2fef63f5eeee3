"""The full screen put together: model, connection, outbox, memory and program."""

import os

from client.connection import Connection
from client.faces.carry_out import Performer
from client.faces.pipes import failure_of
from client.failures import Exit
from client.home.config import Config
from client.known import Known
from client.notes import Note
from client.notices.notices import Notices, notices
from client.place import Place, tell_unsent
from client.screen.actions import with_keys
from client.screen.app import ChatApp
from client.screen.keeping import Keeper
from client.screen.memory import last_room, recall, remember
from client.screen.model import Model
from client.screen.shell import Shell

SENT_S = 2.0
_PALETTES = {"light": "light", "high-contrast": "contrast", "16-colours": "sixteen"}
"""The configuration's themes by their names here; with its usual one, the theme is the one chosen last."""


async def chat(place: Place, room: str | None) -> Exit:
    """Open the full screen, and stay until somebody ends it or the session ends; raises `Failure`.

    `room` is the one to look at first; None: the one that was looked at last.
    """
    session = place.tokens.session()
    keeper = Keeper(place.home, place.server, session.username)
    kept = keeper.load()
    model = Model(place.server, room or last_room(kept) or place.config.room)
    kept_theme = recall(model, kept)
    model.status.username = session.username
    shell = Shell(model)
    app = ChatApp(
        shell,
        actions=with_keys({action: ",".join(keys) for action, keys in place.config.keys.items()}),
        colours=_PALETTES.get(place.config.theme, kept_theme),
        keeper=keeper,
    )
    told = _notices(place.config, app)

    def show(note: Note) -> None:
        model.acquaintances = known.names.people
        shell.show(note)
        told.on(note, model.room.name, focused=app.app_focus)

    with place.outbox(session) as outbox, Known(place.known_path(session)) as known:
        shell.performer = Performer(shell, place, known)
        shell.connection = Connection(place.server, place.tokens, known.before(show), outbox=outbox)
        shell.connection.enter(model.room.name)
        try:
            await app.run_async()
        finally:
            told.close()
            keeper.save(remember(model, app.theme), last=True)
            ended = await shell.end(SENT_S)
    if app.return_code:
        return Exit.BUG  # Textual has shown it
    if failure := failure_of(ended):
        raise failure
    return tell_unsent(model.status.unsent)


def _notices(config: Config, app: ChatApp) -> Notices:
    """What is told of new messages. The terminal is written to past what Textual draws, and nothing of it is moved."""

    def write(sequence: str) -> None:
        if (driver := app._driver) is not None:  # noqa: SLF001 - the only way to the terminal while Textual has it
            driver.write(sequence)
            driver.flush()

    return notices(config.notices, app.notify, os.environ, write)
