"""The status line: what state everything is in, in one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from client.text.sanitize import inert

USUAL_PORT = 8000
"""Where a gateway listens that was told nothing else."""


@dataclass
class StatusLine:
    """What the status line is made of."""

    state: str = "starting"
    """Live: empty. Else what is the matter."""
    live: bool = False
    username: str = ""
    replica: str = ""
    lag_ms: float | None = None
    silent_s: float | None = None
    """How long the server has owed an answer, if that is long."""
    unsent: int = 0
    retry_s: float | None = None
    """How long it was until the next try when the connection was lost."""


def parts(
    line: StatusLine,
    *,
    to_go: int,
    below: int,
    elsewhere: int,
    above: int = 0,
    wait_s: float | None = None,
    keys: Sequence[str] = (),
) -> list[str]:
    """What the status line says, the most important first.

    `wait_s`: until the next try; `below`, `above` and `elsewhere`: unread, around what is on the screen; `keys`: what
    can be done just now, with which key.
    """
    out = []
    if not line.live:
        out.append(line.state + ("" if wait_s is None else f", next try {_in(wait_s)}"))
    else:
        out.append(f"catching up, {to_go} to go" if to_go else "connected")
        if line.silent_s is not None:
            out.append(f"no answer for {line.silent_s:.0f} s")
    if line.unsent:
        out.append(f"{line.unsent} unsent")
    out += keys
    if below:
        out.append(f"↓ {below} new below")
    if above:
        out.append(f"↑ {above} unread above")
    if elsewhere:
        out.append(f"{elsewhere} unread elsewhere")
    if line.live:
        lag_ms = line.lag_ms if line.silent_s is None else None
        out += [part for part in (_lag(lag_ms), _gateway(line.replica)) if part]
    if line.username:
        out.append(inert(line.username))
    return out


def _gateway(server: str) -> str:
    """Its name: the last word of what a gateway says of itself, which is the name of its host and its port.

    The usual port tells nobody anything; by another, several gateways on one computer are told apart.

    >>> _gateway("chatterbox/0.1.0 58dc26a00793:8000"), _gateway("chatterbox/0.1.0 mill:8012")
    ('58dc26a00793', 'mill:8012')
    """
    return "".join(inert(server).split()[-1:]).removesuffix(f":{USUAL_PORT}")[:24]


def _lag(lag_ms: float | None) -> str:
    return "" if lag_ms is None else f"{lag_ms:.0f} ms"


def _in(wait_s: float) -> str:
    return "now" if wait_s < 1 else f"in {wait_s:.0f} s"
