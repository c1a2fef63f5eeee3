"""The HTTP half of the public API: accounts, sessions and pages of messages, with every failure as a sentence.

`httpx` is imported by the first `HttpApi` only: it takes a quarter of the start of a command, and most need none of it.
"""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import NotLoggedIn, ServerRefused, reason, unreachable
from client.net.user_agent import USER_AGENT
from client.store.session_file import SavedSession
from client.text.session_ended import BY_ERROR_CODE

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")

TIMEOUT_S = 10.0
ANSWER_S = 30.0
"""How long a whole answer may take: one that comes byte by byte never times out."""
ANSWER_BYTES = 2**20
"""No answer is larger."""
_AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_WRONG_PASSWORD = "credentials_invalid"  # noqa: S105 - a code


class RefusalBody(msgspec.Struct):
    """How every service says no."""

    code: str
    detail: str
    retry_after_s: float | None = None


class LoginResult(msgspec.Struct):
    """What `/login` and `/renew` answer."""

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
    """Calls to one server; with a token, on behalf of its session."""

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

    def register(self, username: str, password: str) -> None:
        self._call("POST", "/register", json={"username": username, "password": password})

    def login(self, username: str, password: str) -> LoginResult:
        return self._parsed(
            LoginResult, self._call("POST", "/login", json={"username": username, "password": password})
        )

    def logout(self) -> None:
        self._call("POST", "/logout")

    def renew(self) -> LoginResult:
        """Get a new token for the same session."""
        return self._parsed(LoginResult, self._call("POST", "/renew"))

    def sessions(self) -> list[SessionInfo]:
        return self._parsed(list[SessionInfo], self._call("GET", "/sessions"))

    def end_session(self, session: str) -> None:
        self._call("DELETE", f"/sessions/{quote(session, safe='')}")

    def members(self, room: str) -> list[str]:
        """Usernames of those who are in a room that one is in."""
        return self._parsed(list[str], self._call("GET", f"/rooms/{quote(room, safe='')}/members"))

    def _call(self, method: str, path: str, **more: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's own arguments
        import httpx

        try:
            with self._http.stream(method, path, **more) as answer:
                response = httpx.Response(answer.status_code, content=self._body(answer))
        except httpx.HTTPError as problem:
            raise unreachable(self.server, reason(problem)) from problem
        if response.is_success:
            return response
        raise self._failure(response)

    def _body(self, answer: "httpx.Response") -> bytes:
        """All of an answer; whoever answers may never end."""
        body, until_s = b"", time.monotonic() + ANSWER_S
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES or time.monotonic() > until_s:
                raise self._foreign()
        return body

    def _failure(self, response: "httpx.Response") -> Exception:
        try:
            refusal = decode_json(response.content, RefusalBody)
        except UnreadableError:
            refusal = RefusalBody("", f"{self.server} answered {response.status_code} {response.reason_phrase}.")
            if response.status_code not in _AWAY:
                refusal.detail += " Is that a Chatterbox server?"
        if response.status_code in _AWAY:
            return unreachable(self.server, refusal.detail)
        if response.status_code == HTTPStatus.UNAUTHORIZED and refusal.code != _WRONG_PASSWORD:
            return NotLoggedIn(BY_ERROR_CODE.get(refusal.code, refusal.detail))
        return ServerRefused(_with_wait(refusal), refusal.code, refusal.retry_after_s)

    def _parsed(self, kind: type[Answer], response: "httpx.Response") -> Answer:
        try:
            return decode_json(response.content, kind)
        except UnreadableError:
            raise self._foreign() from None

    def _foreign(self) -> ServerRefused:
        return ServerRefused(f"{self.server} does not answer as a Chatterbox server does.")


def _with_wait(refusal: RefusalBody) -> str:
    if refusal.retry_after_s is None:
        return refusal.detail
    return f"{refusal.detail} Try again in {max(1, round(refusal.retry_after_s))} s."
