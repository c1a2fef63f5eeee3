"""History running alone: the real app and SQLite, called without a socket. Auth is a fake that signs real tokens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from unittest.mock import patch

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.responses import Response

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.http.http_app import HttpApp
from chatterbox.wire import auth_api, history_api
from chatterbox.wire.broker_events import ReadStatesChanged, decode_signal
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.auth.rules import display_names
from services.auth.rules.confusables import skeletons
from services.history.app import HistoryApp, create_app
from services.history.messages import append_server
from services.history.settings import HistorySettings
from tests.support.revocation_list import RevocationList

UNHURRIED = Limits(sends_per_s=1e9, sends_burst=10**9)
"""For tests that are not about the send rate limit."""

T = TypeVar("T")

Start: TypeAlias = Callable[..., AbstractAsyncContextManager["Service"]]
"""Starts history on a test's data folder; takes what `running` takes after its first three arguments."""

SERVICE_KEY = "k" * 32
PATIENT_S = 30.0
"""Deadline of internal calls by tests: on a busy machine, a commit may take longer than the gateway's deadline."""
START_MS = 1_790_000_000_000


@dataclass
class Clock:
    """A clock that tests set, in milliseconds since 1970."""

    now: int = START_MS

    def __call__(self) -> int:
        return self.now


class FakeAuth:
    """Signs tokens, and answers the internal requests of history to auth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = Ed25519PrivateKey.generate()
        self.names: dict[str, int] = {}
        self.revoked = RevocationList()
        self.away = False
        self.revocations_away = False
        self.before_user: Callable[[], Awaitable[object]] | None = None
        self.app = HttpApp("fake auth")
        self.app.add_api_route("/internal/jwks", self._jwks, methods=["GET"])
        self.app.add_api_route("/internal/revocations", self._revocations, methods=["GET"])
        self.app.add_api_route("/internal/user", self._user, methods=["POST"])
        self.app.add_api_route("/internal/users", self._users, methods=["POST"])
        self.app.add_api_route("/internal/display-name", self._display_name, methods=["POST"])

    def token(self, username: str, *, sid: str = "s-1", expires_in_s: int = 3600) -> str:
        now_s = self._clock.now // 1000
        user_id = self.names.setdefault(username, len(self.names) + 1)
        claims = {
            "iss": auth_api.ISSUER,
            "aud": auth_api.AUDIENCE,
            "sub": str(user_id),
            "name": username,
            "sid": sid,
            "jti": "j",
            "iat": now_s,
            "exp": now_s + expires_in_s,
        }
        return jwt.encode(claims, self._key, auth_api.ALGORITHM, headers={"kid": "k1", "typ": auth_api.TYPE})

    async def _jwks(self, request: Request) -> Response:
        self._answer(request)
        public = jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return internal_http.write(auth_api.Jwks([{**public, "kid": "k1"}]))

    async def _revocations(self, request: Request) -> Response:
        self._answer(request)
        if self.revocations_away:
            raise ChatError(Code.UNAVAILABLE)
        asked = request.query_params
        return internal_http.write(self.revoked.page(asked["epoch"], int(asked["since"])))

    async def _user(self, request: Request) -> Response:
        self._answer(request)
        if self.before_user is not None:
            await self.before_user()
        user = self._find((await internal_http.read(request, dict[str, str]))["username"])
        if user is None:
            raise ChatError(Code.USER_UNKNOWN)
        return internal_http.write(user)

    async def _users(self, request: Request) -> Response:
        self._answer(request)
        found = map(self._find, (await internal_http.read(request, auth_api.UserNames)).usernames)
        return internal_http.write(auth_api.Users([user for user in found if user is not None]))

    def _find(self, typed: str) -> auth_api.UserInfo | None:
        name = next((known for known in self.names if known.casefold() == typed.casefold()), None)
        return None if name is None else auth_api.UserInfo(self.names[name], name)

    async def _display_name(self, request: Request) -> Response:
        self._answer(request)
        wanted = await internal_http.read(request, auth_api.DisplayName)
        forms = display_names.compared_forms(wanted.display_name)
        if any(skeletons(name) in forms for name, user_id in self.names.items() if user_id != wanted.user_id):
            raise ChatError(Code.DISPLAY_NAME_INVALID)
        return internal_http.write(wanted)

    def _answer(self, request: Request) -> None:
        internal_http.require_caller(request, CallerKeys.shared(SERVICE_KEY), ServiceName.HISTORY)
        if self.away:
            raise ChatError(Code.UNAVAILABLE)


def code(response: httpx.Response) -> tuple[int, str]:
    """A refusal's status and code."""
    return response.status_code, response.json()["code"]


def read_signal(payload: bytes) -> ReadStatesChanged:
    """Decode a signal that must be about read states."""
    signal = decode_signal(payload)
    assert isinstance(signal, ReadStatesChanged)
    return signal


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else run until `condition` holds; fails after 5 s."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any condition, without a line in the code for it
            await asyncio.sleep(0)


@dataclass
class Service:
    """A running history: its app, a public client, and the internal calls as a gateway makes them."""

    app: HistoryApp
    auth: FakeAuth
    clock: Clock
    broker: MemoryBroker
    settings: HistorySettings
    public: httpx.AsyncClient
    internal: httpx.AsyncClient

    async def ask(self, path: str, body: object, answer: type[T]) -> T:
        """Call an internal route as gateways do."""
        with patch.object(internal_http, "DEADLINE_S", PATIENT_S):
            return await internal_http.call(self.internal, "POST", f"/internal/{path}", body, answer)

    async def get(self, path: str, user: str = "alice", **params: str | int) -> httpx.Response:
        return await self.public.get(path, params=params or None, headers=self.headers(user))

    async def do(self, method: str, path: str, user: str = "alice", body: object = None) -> httpx.Response:
        return await self.public.request(method, path, json=body, headers=self.headers(user))

    async def invite(self, room: str, inviter: str, username: str) -> None:
        """Make `username` a member of a room that `inviter` is in: invite and accept."""
        (await self.do("POST", f"/rooms/{room}/members", inviter, {"username": username})).raise_for_status()
        (await self.do("PUT", f"/rooms/{room}/members/me", username)).raise_for_status()

    def headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.auth.token(user)}"}

    async def greet(self, *names: str) -> history_api.RoomInfo:
        """Make users known to auth and to history; returns `general`."""
        for name in names:
            self.auth.token(name)
        users = {self.auth.names[name]: name for name in names}
        answer = await self.ask("memberships", history_api.UserIds(users), history_api.MembershipSnapshot)
        return next(room for room in answer.rooms if room.everyone)

    def message(self, content: str, key: str, *, user: str = "alice", room_id: int = 1) -> history_api.Append:
        return history_api.Append(room_id, self.auth.names[user], user, content, key)

    async def append(self, *messages: history_api.Append) -> list[history_api.Appended | history_api.AppendRefused]:
        """Store messages as a gateway's append request does."""
        return (await self.append_batch(messages)).outcomes

    async def append_batch(
        self,
        messages: Sequence[history_api.Append] = (),
        changes: Sequence[history_api.AnyMessageChange] = (),
    ) -> history_api.AppendAnswer:
        """Change and store messages in one transaction."""
        batch = history_api.AppendBatch(list(messages), changes=list(changes))
        answer = await append_server.answer_batch(self.app.context.history, encode(batch))
        if (refused := answer.refused) is not None:
            raise ChatError(Code(refused.code), refused.detail, retry_after_s=refused.retry_after_s)
        return answer

    async def fill(self, count: int, *, room_id: int = 1) -> None:
        """Store `count` messages of alice, whose contents are their offsets."""
        await self.append(*(self.message(str(n), f"fill-{n}", room_id=room_id) for n in range(1, count + 1)))

    async def listening(self, *channels: str) -> list[tuple[str, bytes]]:
        """A growing list of what is published on `channels` from now on."""
        heard: list[tuple[str, bytes]] = []
        subscriber = self.broker.subscriber(lambda channel, payload: heard.append((channel, payload)), lambda: None)
        await subscriber.subscribe(channels)
        return heard


@asynccontextmanager
async def running(
    data: Path,
    auth: FakeAuth,
    clock: Clock,
    *,
    broker: MemoryBroker | None = None,
    limits: Limits | None = None,
    callers: CallerKeys | None = None,
    create: Callable[..., HistoryApp] = create_app,
    **settings: Any,
) -> AsyncIterator[Service]:
    """Run history on the folder `data`; a test may do so several times, one after the other.

    `create` is called as `create_app` is.
    """
    broker = broker or MemoryBroker()
    configured = HistorySettings.model_validate({"data": data, **settings})
    async with AsyncExitStack() as stack:
        to_auth = await stack.enter_async_context(internal_http.in_process(auth.app, SERVICE_KEY))
        app = create(
            configured,
            broker=broker,
            auth=to_auth,
            callers=callers or CallerKeys.shared(SERVICE_KEY),
            limits=limits or UNHURRIED,
            now_ms=clock,
        )
        await stack.enter_async_context(app.router.lifespan_context(app))
        public = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://history")
        yield Service(
            app,
            auth,
            clock,
            broker,
            configured,
            await stack.enter_async_context(public),
            await stack.enter_async_context(internal_http.in_process(app, SERVICE_KEY)),
        )
