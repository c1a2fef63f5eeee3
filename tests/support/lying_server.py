"""A server that lies: it passes everything on between clients and a real server, but for what a test changes.

What it changes is JSON: bodies of HTTP responses, frames of the server, and commands of clients.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.loopback import NO_TLS
from tests.support.socket_server import served

Json: TypeAlias = dict[str, Any]
ChangeFrame: TypeAlias = Callable[[Json], list[Json]]
"""What is passed on instead of a frame."""
ChangeResponse: TypeAlias = Callable[[str, str, Json], Json | None]
"""By method and path: the body that is passed on; None: it is as it was."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
_PASSED_HEADERS = {"authorization", "content-type", "user-agent", "accept", "date", "retry-after"}


def as_it_is(frame: Json) -> list[Json]:
    return [frame]


@dataclass
class Lies:
    """What is changed from now on. A test sets any of it at any time."""

    to_client: ChangeFrame = as_it_is
    to_server: ChangeFrame = as_it_is
    """An empty list: the command never arrives."""
    response: ChangeResponse = field(default=lambda method, path, body: None)
    answers: Callable[[Json], list[Json]] = field(default=lambda command: [])
    """Frames that are sent in answer to a command, besides what the server answers."""
    sent_by_clients: list[Json] = field(default_factory=list)
    """Every command that any client sent, as it was sent."""
    uids: dict[str, str] = field(default_factory=dict)
    """The uids of rooms, as the real server told them."""
    requested: list[tuple[str, str, Json]] = field(default_factory=list)
    """Every request of any client that had a JSON object as its body: method, path and body."""

    def tell_the_truth(self) -> None:
        """Change nothing from now on; what was recorded stays."""
        truth = Lies()
        self.to_client, self.to_server = truth.to_client, truth.to_server
        self.response, self.answers = truth.response, truth.answers


class LyingServer:
    """The proxy. `url` is what clients use."""

    def __init__(self, upstream: str, lies: Lies) -> None:
        self._upstream = upstream
        self._lies = lies
        self._http = httpx.AsyncClient(base_url=upstream, trust_env=False, verify=NO_TLS, timeout=30)
        self.app = Starlette(
            routes=[WebSocketRoute("/ws", self._socket), Route("/{path:path}", self._request, methods=_METHODS)]
        )
        self.url = ""

    async def close(self) -> None:
        await self._http.aclose()

    async def _request(self, request: Request) -> Response:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_HEADERS}
        sent = await request.body()
        with suppress(ValueError):
            self._lies.requested.append((request.method, request.url.path, json.loads(sent)))
        answer = await self._http.request(request.method, target, content=sent, headers=headers)
        passed = {name: value for name, value in answer.headers.items() if name in _PASSED_HEADERS}
        body = answer.content
        with suppress(ValueError):
            changed = self._lies.response(request.method, request.url.path, json.loads(body))
            body = body if changed is None else json.dumps(changed).encode()
        return Response(body, answer.status_code, passed)

    async def _socket(self, socket: WebSocket) -> None:
        query = f"?{socket.url.query}" if socket.url.query else ""
        url = f"{self._upstream.replace('http', 'ws', 1)}/ws{query}"
        headers = {name: value for name, value in socket.headers.items() if name in {"authorization", "user-agent"}}
        async with connect(url, additional_headers=headers, proxy=None, compression=None, max_size=2**22) as server:
            await socket.accept()
            ways = [asyncio.create_task(self._up(socket, server)), asyncio.create_task(self._down(socket, server))]
            _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in pending:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _up(self, socket: WebSocket, server: ClientConnection) -> None:
        with suppress(WebSocketDisconnect, ConnectionClosed):
            while True:
                command: Json = json.loads(await socket.receive_text())
                self._lies.sent_by_clients.append(command)
                for frame in self._lies.answers(command):
                    await socket.send_text(json.dumps(frame))
                for passed in self._lies.to_server(command):
                    await server.send(json.dumps(passed))

    async def _down(self, socket: WebSocket, server: ClientConnection) -> None:
        try:
            async for text in server:
                told = json.loads(text)
                for room in (told, *told.get("rooms", ())):
                    if isinstance(room, dict) and "uid" in room and "room" in room:
                        self._lies.uids[room["room"]] = room["uid"]
                for frame in self._lies.to_client(told):
                    await socket.send_text(json.dumps(frame))
        except ConnectionClosed:
            pass
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(server.close_code or 1000, server.close_reason or "")


@asynccontextmanager
async def lying(upstream: str, lies: Lies) -> AsyncIterator[LyingServer]:
    """Pass on what clients and the server at `upstream` say, but for `lies`."""
    proxy = LyingServer(upstream, lies)
    config = uvicorn.Config(proxy.app, ws="websockets-sansio", lifespan="off", log_config=None, access_log=False)
    try:
        async with served(config) as port:
            proxy.url = f"http://127.0.0.1:{port}"
            yield proxy
    finally:
        await proxy.close()
