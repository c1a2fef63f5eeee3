"""Status line: connection state, unsent and unread messages, most important first. Pure."""

from collections.abc import Sequence

from client.screen.layout.people.typing_text import typing_columns, typing_text
from client.screen.layout.side_lists import bar
from client.screen.layout.spans import Row, SpanRole
from client.screen.model.chat_model import ChatModel
from client.screen.model.connection_status import ConnectionStatus
from client.text.sanitize import inert

DEFAULT_PORT = 8000
"""The gateway's default port. It is not shown."""
REPLICA_CHARACTERS = 24


def row(
    model: ChatModel,
    columns: int,
    *,
    sentence: str,
    retry_in_s: float | None,
    try_key: str,
    help_key: str,
    keys: Sequence[str],
) -> Row:
    """Lay out the status line: its parts, who is typing, and how to get help. Parameters: as of `parts`."""
    status = model.status
    shown = parts(
        status,
        sentence=sentence,
        catch_up=model.catch_up_remaining,
        below=model.unread_below,
        above=model.unread_above,
        elsewhere=model.unread_elsewhere,
        retry_in_s=retry_in_s,
        try_key=try_key or "/reconnect",
        keys=keys,
        away=model.people.is_away,
    )
    hint = f"{help_key} help" if help_key else "/help"
    is_healthy = status.live and status.silent_s is None and not model.catch_up_remaining
    role = SpanRole.TEXT if is_healthy else SpanRole.WAITING
    typing = typing_text(model.people.typing_in(model.room.name), typing_columns(columns))
    return bar(shown, hint, columns, role, aside=typing)


def parts(
    status: ConnectionStatus,
    *,
    sentence: str = "",
    catch_up: int,
    below: int,
    elsewhere: int,
    above: int = 0,
    retry_in_s: float | None = None,
    try_key: str = "",
    keys: Sequence[str] = (),
    away: bool = False,
) -> list[str]:
    """Return the parts of the status line, the most important first.

    `sentence`: the result of the user's last key; `catch_up`: missed messages still to come; `retry_in_s`: until the
    next attempt to connect; `try_key`: what connects at once; `below`, `above`, `elsewhere`: unread messages around the
    screen; `keys`: what can be done now, with which key; `away`: others see that the user is away.
    """
    out = [sentence] if sentence else []
    if not status.live:
        out.append(status.state + ("" if retry_in_s is None else f", next try {_in(retry_in_s)}"))
        out += [f"{try_key} tries now"] if try_key and retry_in_s is not None else []
    else:
        out.append(f"catching up, {catch_up} to go" if catch_up else "connected")
        if status.silent_s is not None:
            out.append(f"no answer for {status.silent_s:.0f} s")
    if status.unsent:
        out.append(f"{status.unsent} unsent")
    if away:
        out.append("you are away")
    out += keys
    if below:
        out.append(f"↓ {below} new below")
    if above:
        out.append(f"↑ {above} unread above")
    if elsewhere:
        out.append(f"{elsewhere} unread elsewhere")
    if status.live:
        lag_ms = status.lag_ms if status.silent_s is None else None
        out += [part for part in (_lag(lag_ms), _gateway(status.replica)) if part]
    if status.username:
        out.append(inert(status.username))
    return out


def _gateway(replica: str) -> str:
    """The gateway's host, with its port if that is not the default: the last word of the name that it reports.

    >>> _gateway("chatterbox/0.1.0 58dc26a00793:8000"), _gateway("chatterbox/0.1.0 mill:8012")
    ('58dc26a00793', 'mill:8012')
    """
    return "".join(inert(replica).split()[-1:]).removesuffix(f":{DEFAULT_PORT}")[:REPLICA_CHARACTERS]


def _lag(lag_ms: float | None) -> str:
    return "" if lag_ms is None else f"{lag_ms:.0f} ms"


def _in(seconds: float) -> str:
    return "now" if seconds < 1 else f"in {seconds:.0f} s"
