"""The files service running alone on a socket: the real app, disk and database. Auth and history are small apps."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from starlette.requests import Request
from starlette.responses import Response

from chatterbox.chassis import serve
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.http.http_app import HttpApp
from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.message import AttachedFile
from chatterbox.wire.limits import Limits
from services.files.app import STREAMED_PATHS, FilesApp, create_app
from services.files.settings import FilesSettings
from services.files.upload_limits import DiskUsage
from tests.support.history import SERVICE_KEY, Clock, FakeAuth
from tests.support.loopback import NO_TLS

StartFiles: TypeAlias = Callable[..., AbstractAsyncContextManager["FilesSite"]]
"""Starts the service on a test's data folder; takes what `running` takes after its first three arguments."""
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass
class SmallHistory:
    """Answers the calls of the files service as history does: everyone is in `rooms`, and reads what is in them."""

    rooms: dict[str, int] = field(default_factory=lambda: {"general": 1, "board": 2})
    files: dict[str, AttachedFile] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    avatars: dict[int, str] = field(default_factory=dict)
    to_erase: list[str] = field(default_factory=list)
    forbidden: set[int] = field(default_factory=set)
    """Users who may read no file."""
    away: set[str] = field(default_factory=set)
    """The calls that fail."""
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = HttpApp("small history")
        for path, endpoint in {
            "uploads/check": self._check,
            "uploads": self._uploaded,
            "files/access": self._access,
            "files/erased": self._erased,
            "files/named": self._named,
            "avatar": self._avatar,
        }.items():
            self.app.add_api_route(f"/internal/{path}", endpoint, methods=["POST"], max_body_size=2**20)

    async def _check(self, request: Request) -> Response:
        asked = await self._read(request, history_api.UploadCheck)
        if asked.room not in self.rooms:
            raise ChatError(Code.ROOM_UNKNOWN)
        return internal_http.write(history_api.UploadRoom(self.rooms[asked.room], asked.room))

    async def _uploaded(self, request: Request) -> Response:
        told = await self._read(request, history_api.FileUploaded)
        self.files[told.file.id] = told.file
        self.owners[told.file.id] = told.user_id
        return internal_http.write(None)

    async def _access(self, request: Request) -> Response:
        asked = await self._read(request, history_api.FileAccess)
        if asked.file_id not in self.files or asked.user_id in self.forbidden:
            raise ChatError(Code.FILE_UNKNOWN)
        return internal_http.write(self.files[asked.file_id])

    async def _erased(self, request: Request) -> Response:
        done = (await self._read(request, history_api.FileErasures)).done
        self.to_erase = [file_id for file_id in self.to_erase if file_id not in done]
        return internal_http.write(history_api.FilesToErase(self.to_erase[:1000]))

    async def _named(self, request: Request) -> Response:
        asked = await self._read(request, history_api.FilesNamed)
        return internal_http.write(history_api.FilesNamed([each for each in asked.file_ids if each in self.files]))

    async def _avatar(self, request: Request) -> Response:
        told = await self._read(request, history_api.AvatarChanged)
        before = self.avatars.get(told.user_id, "")
        self.avatars[told.user_id] = told.avatar
        return internal_http.write(history_api.AvatarReplaced(before))

    async def _read(self, request: Request, kind: type[Any]) -> Any:
        path = request.url.path.removeprefix("/internal/")
        internal_http.require_caller(request, CallerKeys.shared(SERVICE_KEY), ServiceName.FILES)
        self.asked.append(path)
        if path in self.away:
            raise ChatError(Code.UNAVAILABLE)
        return await internal_http.read(request, kind)


@dataclass
class FilesSite:
    """A running files service, and requests of users to it."""

    app: FilesApp
    auth: FakeAuth
    history: SmallHistory
    clock: Clock
    settings: FilesSettings
    http: httpx.AsyncClient
    port: int

    def headers(self, user: str = "alice") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.auth.token(user)}"}

    async def do(
        self, method: str, path: str, user: str = "alice", *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        return await self.http.request(method, path, headers={**self.headers(user), **(headers or {})}, **options)

    async def post(self, content: Any, name: str = "a.bin", user: str = "alice", **query: str) -> httpx.Response:
        return await self.do("POST", "/files", user, params={"room": "general", "name": name, **query}, content=content)

    async def uploaded(self, content: Any, name: str = "a.bin", user: str = "alice", **query: str) -> dict[str, Any]:
        """Upload a file; returns its description."""
        answer = await self.post(content, name, user, **query)
        assert answer.status_code == 201, answer.text
        described: dict[str, Any] = answer.json()
        return described

    async def begin(
        self, length: int, user: str = "alice", *, metadata: dict[str, str] | None = None
    ) -> httpx.Response:
        """Begin an upload in chunks."""
        pairs = {"room": "general", "filename": "b.bin", **(metadata or {})}
        told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
        headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": told}
        return await self.do("POST", "/files/uploads", user, headers=headers)

    async def begun(self, length: int, user: str = "alice", **metadata: str) -> str:
        """Begin an upload in chunks; returns its path."""
        answer = await self.begin(length, user, metadata=metadata)
        assert answer.status_code == 201, answer.text
        return f"/files/{answer.headers['location']}"

    async def append(self, path: str, offset: int, content: Any, user: str = "alice", **headers: str) -> httpx.Response:
        told = {
            **CHUNK,
            "Upload-Offset": str(offset),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.do("PATCH", path, user, headers=told, content=content)

    async def offset(self, path: str, user: str = "alice") -> int:
        answer = await self.do("HEAD", path, user, headers=TUS)
        assert answer.status_code == 200, answer.headers
        return int(answer.headers["upload-offset"])

    async def connection(
        self, method: str, path: str, headers: dict[str, str], user: str = "alice"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which the head of a request was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**16)
        lines = {"Host": "127.0.0.1", **self.headers(user), **headers}
        writer.write(f"{method} {path} HTTP/1.1\r\n".encode())
        writer.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n")
        return reader, writer

    def stored(self) -> list[str]:
        """The names of everything below the folder of files, staged files included."""
        return sorted(path.name for path in self.settings.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def running(
    data: Path,
    auth: FakeAuth,
    history: SmallHistory,
    clock: Clock,
    *,
    limits: Limits | None = None,
    disk_usage: DiskUsage = lambda _: (10**12, 0, 10**12),
    **settings: Any,
) -> AsyncIterator[FilesSite]:
    """Run the service on the folder `data`; a test may do so several times, one after the other."""
    defaults = {"uploads_burst": 10**6, "file_reads_burst": 10**6}
    configured = FilesSettings.model_validate({"data": data, **defaults, **settings})
    async with AsyncExitStack() as stack:
        to_auth = await stack.enter_async_context(internal_http.in_process(auth.app, SERVICE_KEY))
        to_history = await stack.enter_async_context(internal_http.in_process(history.app, SERVICE_KEY))
        app = create_app(
            configured,
            broker=MemoryBroker(),
            auth=to_auth,
            history=to_history,
            limits=limits or Limits(),
            now_ms=clock,
            disk_usage=disk_usage,
        )
        listener = serve.bind("127.0.0.1", 0)
        ready = asyncio.Event()
        server = serve.DrainingServer(
            serve.config(app, streamed_paths=STREAMED_PATHS), serve.nothing_to_drain, ready.set
        )
        serving = asyncio.create_task(server._serve([listener]))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=20)
        waiting.cancel()
        assert ready.is_set(), "the service did not start"
        port = int(listener.getsockname()[1])
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=NO_TLS, timeout=30
            ) as http:
                yield FilesSite(app, auth, history, clock, configured, http, port)
        finally:
            server.stop()
            await asyncio.wait_for(serving, 20)
