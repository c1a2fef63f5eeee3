"""How a connection is opened, and what it means when it can't be, or ends."""

from http import HTTPStatus
from logging import getLogger

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import reason
from client.net.http_api import RefusalBody
from client.net.user_agent import USER_AGENT
from client.text.session_ended import BY_CLOSE_CODE

OPEN_S = 10.0
CLOSE_S = 1.0
SILENCE_S = 20.0
"""A ping goes out this often, and its pong must come within the same time."""
FRAME_LIMIT_BYTES = 16 * 2**20

QUIET = getLogger("client.websocket")
"""Logs nothing: what goes through a connection carries the token."""
QUIET.disabled = True


def socket_address(server: str) -> str:
    """The WebSocket address of a server.

    >>> socket_address("https://chat.example.org")
    'wss://chat.example.org/ws'
    """
    return f"ws{server.removeprefix('http')}/ws"


class ConnectWithoutRedirects(connect):
    """Never goes elsewhere: a redirect is to be told, and the token is for this server alone."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def dial(server: str) -> connect:
    """Open a connection, as an async context manager. Nothing of it is ever logged: it carries the token."""
    return ConnectWithoutRedirects(
        socket_address(server),
        compression=None,
        logger=QUIET,
        max_size=FRAME_LIMIT_BYTES,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=SILENCE_S,
        ping_timeout=SILENCE_S,
        user_agent_header=USER_AGENT,
    )


def why_not_opened(problem: Exception) -> tuple[str, float]:
    """Say why there is no connection, and how many seconds the server wants us to wait."""
    if not isinstance(problem, InvalidStatus):
        return reason(problem), 0.0
    response = problem.response
    try:
        refusal = decode_json(response.body or b"", RefusalBody)
    except UnreadableError:
        return f"the server answered {_status(response.status_code)}", 0.0
    return refusal.detail.rstrip("."), refusal.retry_after_s or 0.0


def why_closed(closed: ConnectionClosed) -> tuple[str, int | None]:
    """Say why a connection ended, and the server's close code if it was the server that closed it."""
    if closed.rcvd is None:
        silent = closed.sent is not None and closed.sent.code == 1011
        return ("the server is silent" if silent else "the line was cut"), None
    if closed.sent is not None and not closed.rcvd_then_sent:
        return "we hung up", None
    return _words(closed.rcvd.code, closed.rcvd.reason), closed.rcvd.code


def _words(code: int, said: str) -> str:
    if code in BY_CLOSE_CODE:
        return BY_CLOSE_CODE[code]
    known = SENTENCES[CloseCode(code)] if code in set(CloseCode) else f"The server closed it with code {code}."
    return said or known


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)
