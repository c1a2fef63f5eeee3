"""Client of the HTTP API: accounts, sessions and members, with every error as a `Failure`.

`httpx` is imported by the first `HttpApi` only: importing it takes a quarter of a command's start, and most need none.
"""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import NotLoggedIn, ServerRefused, unreachable
from client.net.failure_reason import reason
from client.net.user_agent import USER_AGENT
from client.store.session_file import SavedSession
from client.text.session_ended import BY_ERROR_CODE

if TYPE_CHECKING:
    import httpx

Body = TypeVar("Body")

TIMEOUT_S = 10.0
RESPONSE_S = 30.0
"""How long a whole response may take: `TIMEOUT_S` alone would never end one that arrives byte by byte (seconds)."""
RESPONSE_BYTES = 2**20
"""Larger responses are refused."""
_UNAVAILABLE = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_WRONG_PASSWORD = "credentials_invalid"  # noqa: S105 - a code


class RefusalBody(msgspec.Struct):
    """The body of every error response."""

    code: str
    detail: str
    retry_after_s: float | None = None


class LoginResult(msgspec.Struct):
    """The response to `/login` and `/renew`."""

    token: str
    expires_in: float
    session: str
    username: str

    def as_session(self, server: str, now_s: float) -> SavedSession:
        return SavedSession(server, self.username, self.token, self.session, now_s + self.expires_in, self.expires_in)


class SessionInfo(msgspec.Struct, kw_only=True):
    """One of a user's sessions; times are RFC 3339."""

    id: str
    created: str = ""
    expires: str = ""
    user_agent: str = ""
    current: bool = False


class HttpApi:
    """HTTP calls to one server; with a token, on behalf of its session. They raise `Failure`."""

    def __init__(self, server: str, token: str | None = None, transport: "httpx.BaseTransport | None" = None) -> None:
        import httpx

        self.server = server
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(base_url=server, headers=headers, timeout=TIMEOUT_S, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def register(self, username: str, password: str, code: str = "") -> None:
        """Create an account; `code` is an invitation code, sent if there is one."""
        body = {"username": username, "password": password} | ({"code": code} if code else {})
        self._call("POST", "/register", json=body)

    def login(self, username: str, password: str) -> LoginResult:
        return self._parsed(
            LoginResult, self._call("POST", "/login", json={"username": username, "password": password})
        )

    def logout(self) -> None:
        self._call("POST", "/logout")

    def renew(self) -> LoginResult:
        """Return a new token for the same session."""
        return self._parsed(LoginResult, self._call("POST", "/renew"))

    def sessions(self) -> list[SessionInfo]:
        return self._parsed(list[SessionInfo], self._call("GET", "/sessions"))

    def end_session(self, session: str) -> None:
        self._call("DELETE", f"/sessions/{quote(session, safe='')}")

    def members(self, room: str) -> list[str]:
        """The usernames of a room's members; the user must be one of them."""
        return self._parsed(list[str], self._call("GET", f"/rooms/{quote(room, safe='')}/members"))

    def _call(self, method: str, path: str, **more: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's own arguments
        import httpx

        try:
            with self._http.stream(method, path, **more) as streamed:
                response = httpx.Response(streamed.status_code, content=self._body(streamed))
        except httpx.HTTPError as problem:
            raise unreachable(self.server, reason(problem)) from problem
        if response.is_success:
            return response
        raise self._failure(response)

    def _body(self, response: "httpx.Response") -> bytes:
        """Read a whole response, up to the limits of time and size."""
        body, until_s = b"", time.monotonic() + RESPONSE_S
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > RESPONSE_BYTES or time.monotonic() > until_s:
                raise self._not_chatterbox()
        return body

    def _failure(self, response: "httpx.Response") -> Exception:
        try:
            refusal = decode_json(response.content, RefusalBody)
        except UnreadableError:
            refusal = RefusalBody("", f"{self.server} answered {response.status_code} {response.reason_phrase}.")
            if response.status_code not in _UNAVAILABLE:
                refusal.detail += " Is it a Chatterbox server?"
        if response.status_code in _UNAVAILABLE:
            return unreachable(self.server, refusal.detail)
        if response.status_code == HTTPStatus.UNAUTHORIZED and refusal.code != _WRONG_PASSWORD:
            return NotLoggedIn(BY_ERROR_CODE.get(refusal.code, refusal.detail))
        return ServerRefused(_with_wait(refusal), refusal.code, refusal.retry_after_s)

    def _parsed(self, kind: type[Body], response: "httpx.Response") -> Body:
        try:
            return decode_json(response.content, kind)
        except UnreadableError:
            raise self._not_chatterbox() from None

    def _not_chatterbox(self) -> ServerRefused:
        return ServerRefused(f"{self.server} does not respond like a Chatterbox server.")


def _with_wait(refusal: RefusalBody) -> str:
    if refusal.retry_after_s is None:
        return refusal.detail
    return f"{refusal.detail} Try again in {max(1, round(refusal.retry_after_s))} s."
