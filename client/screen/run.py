"""The full screen put together: model, connection, outbox, memory and program."""

from collections.abc import Mapping

from chatterbox.wire.limits import DEFAULT_ROOM
from client.connection import Connection
from client.faces.pipes import failure_of
from client.failures import Exit
from client.place import Place, tell
from client.screen.actions import with_keys
from client.screen.app import ChatApp
from client.screen.keeping import Keeper
from client.screen.memory import last_room, recall, remember
from client.screen.model import Model
from client.screen.shell import Shell

SENT_S = 2.0


async def chat(place: Place, room: str | None, *, keys: Mapping[str, str] | None = None, colours: str = "") -> Exit:
    """Open the full screen, and stay until somebody ends it or the session ends; raises `Failure`.

    `room` is the one to look at first; None: the one that was looked at last. `keys` gives actions of the table
    other keys; `colours` names a palette.
    """
    session = place.tokens.session()
    keeper = Keeper(place.home, place.server, session.username)
    kept = keeper.load()
    model = Model(place.server, room or last_room(kept) or DEFAULT_ROOM)
    kept_theme = recall(model, kept)
    model.status.username = session.username
    shell = Shell(model)
    app = ChatApp(
        shell,
        actions=with_keys(keys or {}),
        colours=colours or kept_theme,
        keeper=keeper,
    )
    with place.outbox(session) as outbox:
        shell.connection = Connection(place.server, place.tokens, shell.show, outbox=outbox)
        shell.connection.enter(model.room.name)
        try:
            await app.run_async()
        finally:
            keeper.save(remember(model, app.theme), last=True)
            ended = await shell.end(SENT_S)
    if app.return_code:
        return Exit.BUG  # Textual has shown it
    if failure := failure_of(ended):
        raise failure
    return _tell_unsent(model.status.unsent)


def _tell_unsent(count: int) -> Exit:
    if not count:
        return Exit.OK
    tell(f"{count} not sent yet: kept in the outbox, and sent when you chat the next time.")
    return Exit.UNREACHABLE
