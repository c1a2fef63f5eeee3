"""Runs Chatterbox in this process: the real apps, real SQLite, real sockets on loopback."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from chatterbox.chassis import serve
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.settings import LimitSettings
from chatterbox.wire.rate_limits import REQUESTS
from services.allinone.app import AllInOne, AllSettings, create_all
from services.auth.settings import AuthSettings
from services.files.app import STREAMED_PATHS
from services.files.settings import FilesSettings
from services.gateway.settings import GatewaySettings
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from services.history.settings import HistorySettings
from tests.support.cheap_hashes import cheap_hashes
from tests.support.loopback import NO_TLS
from tests.support.talker import Talker

PASSWORD = "correct horse battery"


class Server:
    """A running Chatterbox."""

    def __init__(self, port: int, whole: AllInOne) -> None:
        self.port = port
        self.whole = whole
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS)

    async def register(self, username: str) -> None:
        answer = await self.http.post("/register", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 201, answer.text

    async def login(self, username: str) -> str:
        """A token of a new session."""
        answer = await self.http.post("/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    async def newcomer(self, username: str) -> str:
        """Register a user and log in; returns the token."""
        await self.register(username)
        return await self.login(username)

    def talker(self, token: str | None, **options: Any) -> Talker:
        """A WebSocket client for `token`; enter it to connect."""
        return Talker(f"ws://127.0.0.1:{self.port}/ws", token, **options)


def settings_for(data: Path, **environment: object) -> AllSettings:
    """Settings as a process would read them, from `CHATTERBOX_…` variables given in lower case without prefix."""
    variables = {f"CHATTERBOX_{name.upper()}": str(value) for name, value in environment.items()}
    variables.setdefault("CHATTERBOX_DATA", str(data))
    with patch.dict(os.environ, variables):
        return AllSettings(AuthSettings(), HistorySettings(), GatewaySettings(), LimitSettings(), FilesSettings())


@asynccontextmanager
async def running(
    data: Path, *, broker: Broker | None = None, now_s: Callable[[], float] = time.time, **environment: object
) -> AsyncIterator[Server]:
    """Run Chatterbox on a free port until the block ends; `now_s` is the gateway's clock."""
    settings = settings_for(data, **{"drain_s": 0, **environment})
    whole = create_all(settings, broker=broker, now_s=now_s)
    listener = serve.bind("127.0.0.1", 0)
    limits = settings.limits.limits()
    config = serve.config(
        whole.app,
        http_class=upgrade_protocol(),
        frame_bytes=limits.frame_bytes,
        requests=limits.rate(REQUESTS),
        root_path=settings.gateway.root_path,
        streamed_paths=STREAMED_PATHS,
    )
    ready = asyncio.Event()
    uvicorn = serve.DrainingServer(config, whole.gateway.drain, ready.set)
    with cheap_hashes():
        serving = asyncio.create_task(uvicorn._serve([listener]))
        await asyncio.wait(
            [serving, waiting := asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED, timeout=20
        )
    waiting.cancel()
    assert ready.is_set(), "the server did not start"
    server = Server(_port(listener), whole)
    try:
        yield server
    finally:
        await server.http.aclose()
        await whole.gateway.drain()
        uvicorn.stop()
        await asyncio.wait_for(serving, 20)


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
