"""Client of the HTTP API: accounts, sessions and members, with every error as a `Failure`.

`httpx` is imported by the first `HttpApi` only: importing it takes a quarter of a command's start, and most need none.
"""

import platform
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from chatterbox.wire.errors import Code
from chatterbox.wire.people import Audiences, Profile
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import Failure, NotLoggedIn, ServerRefused, Unreachable, unreachable
from client.net.failure_reason import reason
from client.net.proxy_route import Route, UnusableEnvironment, route_to, tls_context, uses_tls
from client.net.user_agent import USER_AGENT, login_user_agent
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


def connection_options(server: str, route: Route) -> dict[str, Any]:
    """The arguments of an `httpx` client that make it use the route instead of reading the environment itself."""
    import httpx

    tls = tls_context() if uses_tls(server, route) else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nothing
    by_tls = route.proxy is not None and route.proxy.startswith("https:")
    proxy = httpx.Proxy(route.proxy, ssl_context=tls if by_tls else None) if route.proxy else None
    return {"verify": tls, "proxy": proxy, "trust_env": False}


class RefusalBody(msgspec.Struct):
    """The body of every error response."""

    code: str
    detail: str
    retry_after_s: float | None = None


class Confirmation(msgspec.Struct):
    """The response to requests that return no data. It proves that Chatterbox answered, not a proxy in between."""

    message: str


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
    last_used: str = ""
    """Its last login or token renewal."""
    ends: str = ""
    """When the session ends, however often its token is renewed."""
    user_agent: str = ""
    address: str = ""
    """The client's address at the last login or token renewal."""
    current: bool = False


class InvitationInfo(msgspec.Struct):
    """A pending invitation; `created` is RFC 3339."""

    room: str
    by: str
    created: str = ""


class UserSettings(msgspec.Struct):
    """What a user set for themselves. `writes`: who may write direct messages to them."""

    username: str
    writes: str
    display_name: str = ""
    bio: str = ""
    avatar: str = ""
    status: str = ""
    status_until: str = ""
    visible: Audiences = msgspec.field(default_factory=Audiences)
    """Who may see each field of the profile."""
    presence: str = ""
    """`everyone` or `nobody`; empty: the server is older than profiles and presence."""
    typing: bool = True
    receipts: bool = True

    @property
    def has_profile(self) -> bool:
        """Whether the server has profiles and presence."""
        return bool(self.presence)

    @property
    def profile(self) -> Profile:
        names = Profile.__struct_fields__
        return Profile(**{name: getattr(self, name) for name in names})


class ReadStateInfo(msgspec.Struct):
    """The user's read state of a room, by the server's name of it."""

    room: str
    unread: int
    mentions: int = 0
    read: int = 0
    turn: int = 0
    counted: int = 0
    notify: str = ""
    until: str = ""


class OwnReactionInfo(msgspec.Struct):
    """A reaction of the user to the message at `offset`."""

    offset: int
    emoji: str


class HttpApi:
    """HTTP calls to one server; with a token, on behalf of its session. They raise `Failure`.

    Only Chatterbox's own JSON is believed. Any other response comes from a proxy or a sign-in page in between, whatever
    its status, and means that the server is unreachable.
    """

    def __init__(self, server: str, token: str | None = None, transport: "httpx.BaseTransport | None" = None) -> None:
        import httpx

        self.server = server
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._route = Route() if transport else route_to(server)
            self._http = httpx.Client(
                base_url=server,
                headers=headers,
                timeout=TIMEOUT_S,
                transport=transport,
                **connection_options(server, self._route),
            )
        except UnusableEnvironment as problem:
            raise Unreachable(f"Can't reach {server}: {problem}.") from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def register(self, username: str, password: str, code: str = "") -> None:
        """Create an account; `code` is an invitation code, sent if there is one."""
        body = {"username": username, "password": password} | ({"code": code} if code else {})
        self._confirmed("POST", "/register", json=body)

    def login(self, username: str, password: str) -> LoginResult:
        body, headers = {"username": username, "password": password}, {"User-Agent": login_user_agent(platform.node())}
        return self._parsed(LoginResult, self._call("POST", "/login", json=body, headers=headers))

    def change_password(self, old: str, new: str) -> None:
        """Set a new password, which ends the user's other sessions."""
        self._confirmed("POST", "/password", json={"old": old, "new": new})

    def reset_password(self, username: str, code: str, new: str) -> None:
        """Set a new password with a reset code, which ends all sessions."""
        self._confirmed("POST", "/password/reset", json={"username": username, "code": code, "new": new})

    def logout(self) -> None:
        self._confirmed("POST", "/logout")

    def renew(self) -> LoginResult:
        """Return a new token for the same session."""
        return self._parsed(LoginResult, self._call("POST", "/renew"))

    def messages(self, room: str, limit: int, before: int = 0) -> list[dict[str, Any]]:
        """Messages of a room as the server stores them, oldest first: the newest, or those before an offset."""
        params: dict[str, str | int] = {"room": room, "limit": limit} | ({"before": before} if before else {})
        return self._parsed(list[dict[str, Any]], self._call("GET", "/messages", params=params))

    def sessions(self) -> list[SessionInfo]:
        return self._parsed(list[SessionInfo], self._call("GET", "/sessions"))

    def end_session(self, session: str) -> None:
        self._confirmed("DELETE", f"/sessions/{quote(session, safe='')}")

    def invitations(self) -> list[InvitationInfo]:
        """The user's pending invitations."""
        return self._parsed(list[InvitationInfo], self._call("GET", "/invitations"))

    def decline(self, room: str) -> None:
        """Decline an invitation."""
        self._call("DELETE", f"/invitations/{quote(room, safe='')}")

    def unread(self) -> list[ReadStateInfo]:
        """The user's rooms with unread messages."""
        return self._parsed(list[ReadStateInfo], self._call("GET", "/unread"))

    def blocks(self) -> list[str]:
        """The users whose invitations are dropped."""
        return self._parsed(list[str], self._call("GET", "/blocks"))

    def block(self, username: str) -> None:
        self._call("PUT", f"/blocks/{quote(username, safe='')}")

    def unblock(self, username: str) -> None:
        self._call("DELETE", f"/blocks/{quote(username, safe='')}")

    def settings(self) -> UserSettings:
        """The user's own settings."""
        return self._parsed(UserSettings, self._call("GET", "/me"))

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Change settings of the user; those that are left out stay."""
        self._call("PATCH", "/me", json=changes)

    def members(self, room: str) -> list[str]:
        """The usernames of a room's members; the user must be one of them."""
        return self._parsed(list[str], self._call("GET", f"/rooms/{quote(room, safe='')}/members"))

    def own_reactions(self, room: str, first: int, last: int) -> list[OwnReactionInfo]:
        """The user's reactions to the messages of a range of offsets."""
        path = f"/rooms/{quote(room, safe='')}/messages/reactions/mine"
        return self._parsed(list[OwnReactionInfo], self._call("GET", path, params={"from": first, "to": last}))

    def _confirmed(self, method: str, path: str, **more: Any) -> None:  # noqa: ANN401 - httpx's own arguments
        self._parsed(Confirmation, self._call(method, path, **more))

    def _call(self, method: str, path: str, **more: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's own arguments
        """A successful response; raises `Failure` for any other."""
        response = self._exchange(method, path, **more)
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _exchange(self, method: str, path: str, **more: Any) -> "httpx.Response":  # noqa: ANN401 - as above
        """A response of any status, read whole."""
        import httpx

        with self._as_failures(), self._http.stream(method, path, **more) as streamed:
            return httpx.Response(streamed.status_code, headers=streamed.headers, content=self._body(streamed))

    @contextmanager
    def _as_failures(self) -> Iterator[None]:
        """Raise `Unreachable` for a connection that fails."""
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
            raise unreachable(self.server, self._route.explain(reason(problem))) from problem

    def _refusal(self, response: "httpx.Response") -> Failure:
        """The failure that a response without success stands for."""
        if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._route.proxy:
            return unreachable(self.server, self._route.explain(_answered(response)))
        return self._failure(response)

    def _body(self, response: "httpx.Response") -> bytes:
        """Read a whole response, up to the limits of time and size."""
        body, until_s = b"", time.monotonic() + RESPONSE_S
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > RESPONSE_BYTES or time.monotonic() > until_s:
                raise self._not_chatterbox(response)
        return body

    def _failure(self, response: "httpx.Response") -> Failure:
        status = response.status_code
        try:
            refusal = decode_json(response.content, RefusalBody)
        except UnreadableError:
            if status in _UNAVAILABLE:
                return unreachable(self.server, _answered(response))
            return self._not_chatterbox(response)
        if status in _UNAVAILABLE:
            return unreachable(self.server, refusal.detail)
        if status == HTTPStatus.UNAUTHORIZED and refusal.code != Code.CREDENTIALS_INVALID:
            return self._logged_out(refusal, response)
        return ServerRefused(_with_wait(refusal), refusal.code, refusal.retry_after_s)

    def _logged_out(self, refusal: RefusalBody, response: "httpx.Response") -> Failure:
        """Only the known codes end a login. `token_missing` does not, if a token was sent: a proxy removed it."""
        if refusal.code == Code.TOKEN_MISSING and "Authorization" in self._http.headers:
            return Unreachable(
                f"Can't log in at {self.server}: a proxy in between removes the header Authorization. "
                "To diagnose it: chatterbox doctor"
            )
        if refusal.code not in BY_ERROR_CODE:
            return self._not_chatterbox(response)
        return NotLoggedIn(BY_ERROR_CODE[refusal.code])

    def _parsed(self, kind: type[Body], response: "httpx.Response") -> Body:
        try:
            return decode_json(response.content, kind)
        except UnreadableError:
            raise self._not_chatterbox(response) from None

    def _not_chatterbox(self, response: "httpx.Response") -> Unreachable:
        return Unreachable(
            f"{self.server} does not respond like a Chatterbox server: {_answered(response)}. "
            "Is a proxy or a sign-in page in between? To diagnose it: chatterbox doctor"
        )


def _answered(response: "httpx.Response") -> str:
    return f"it answered {response.status_code} {response.reason_phrase}".rstrip()


def _with_wait(refusal: RefusalBody) -> str:
    if refusal.retry_after_s is None:
        return refusal.detail
    return f"{refusal.detail} Try again in {max(1, round(refusal.retry_after_s))} s."
