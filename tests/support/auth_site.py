"""The real auth app over ASGI, with real SQLite and a clock that tests set; records the revocations it published."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.core.caller_keys import CallerKeys
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.token_verifier import AuthClient
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, decode_control
from services.auth.app import AuthApp, create_app
from services.auth.http.request_dependencies import AuthContext
from services.auth.settings import AuthSettings
from tests.support.cheap_hashes import cheap_hashes

SERVICE_KEY = "k" * 32
PASSWORD = "tangerine-moon"
START_S = 1_790_000_000.0


@dataclass
class Clock:
    """A clock that tests set, in seconds since 1970."""

    now: float = START_S

    def __call__(self) -> float:
        return self.now


@dataclass
class AuthSite:
    """One running auth service and ways to use it."""

    app: AuthApp
    http: httpx.AsyncClient
    internal: AuthClient
    internal_http: httpx.AsyncClient
    clock: Clock
    data: Path
    revoked: list[str] = field(default_factory=list)
    """The sessions whose end was published, in order."""

    @property
    def auth(self) -> AuthContext:
        return self.app.context

    def at(self, address: str) -> httpx.AsyncClient:
        """A client that calls from another address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://auth")

    async def register(self, username: str = "alice", password: str = PASSWORD) -> httpx.Response:
        return await self.http.post("/register", json={"username": username, "password": password})

    async def try_login(self, username: str = "alice", password: str = PASSWORD) -> httpx.Response:
        return await self.http.post("/login", json={"username": username, "password": password})

    async def login(self, username: str = "alice", password: str = PASSWORD) -> str:
        """A new session's token."""
        response = await self.try_login(username, password)
        assert response.status_code == 200, response.text
        return str(response.json()["token"])

    async def registered(self, username: str = "alice", password: str = PASSWORD) -> str:
        """Register a user and log in; returns the token."""
        await self.register(username, password)
        return await self.login(username, password)

    async def sessions(self, token: str) -> httpx.Response:
        return await self.http.get("/sessions", headers=bearing(token))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def sid_of(token: str) -> str:
    return str(payload_of(token)["sid"])


def payload_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def revoked(site: AuthSite) -> list[str]:
    """The ids of all revoked sessions, as another service loads them."""
    epoch, upto, sids = "", 0, list[str]()
    while True:
        page = await site.internal.revocations(epoch, upto)
        epoch, upto = page.epoch, page.upto
        sids += page.sids
        if page.is_last:
            return sids


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, whose body must have the one shape."""
    body = response.json()
    assert set(body) in ({"code", "detail"}, {"code", "detail", "retry_after_s"}), body
    return response.status_code, body["code"]


@asynccontextmanager
async def running(
    data: Path,
    *,
    clock: Clock | None = None,
    steady: Clock | None = None,
    broker: Broker | None = None,
    callers: CallerKeys | None = None,
    real_hashes: bool = False,
    **settings: Any,
) -> AsyncIterator[AuthSite]:
    """Run auth on the folder `data` until the block ends; `steady` (default: `clock`) is the clock that never jumps.

    `callers` may call the internal routes; by default, all callers share one key. `real_hashes`: hash passwords at the
    cost of production.
    """
    clock, broker = clock or Clock(), broker or MemoryBroker()
    told = AuthSettings(data=data, **settings)
    app = create_app(
        told, broker=broker, callers=callers or CallerKeys.shared(SERVICE_KEY), now_s=clock, clock=steady or clock
    )
    internal = internal_http.in_process(app, SERVICE_KEY)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth")
    async with AsyncExitStack() as stack:
        with nullcontext() if real_hashes else cheap_hashes():
            await stack.enter_async_context(app.router.lifespan_context(app))
        for client in (http, internal):
            await stack.enter_async_context(client)
        site = AuthSite(app, http, AuthClient(internal), internal, clock, data)
        await broker.subscriber(lambda _, payload: _note(site, payload), lambda: None).subscribe([CONTROL])
        yield site


def _note(site: AuthSite, payload: bytes) -> None:
    event = decode_control(payload)
    if isinstance(event, SessionRevoked):
        site.revoked.append(event.sid)
