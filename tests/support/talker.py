"""A simple WebSocket client of a user: it sends and receives JSON frames, and every wait has a deadline."""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

DEADLINE_S = 30.0


class Talker:
    """One connection. `inbox` keeps received frames until the test asks for them."""

    def __init__(self, url: str, token: str | None, *, how: str = "header", **options: Any) -> None:
        """`how`: the token goes in the `header`, the `query`, or a `frame` (then with `resume`), or nowhere."""
        self._url = url
        self._token = token
        self._how = how
        self._resume: dict[str, Any] = options.pop("resume", {})
        self._options = options
        self._socket: ClientConnection | None = None
        self._id = 0
        self.inbox: list[dict[str, Any]] = []
        self.welcome: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        if self._token is not None:
            self.welcome = await self.push("welcome")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def open(self) -> None:
        """Connect and show the token, without waiting for the welcome."""
        headers: dict[str, str] = dict(self._options.pop("additional_headers", {}))
        url = self._url
        if self._token is not None and self._how == "header":
            headers["Authorization"] = f"Bearer {self._token}"
        elif self._token is not None and self._how == "query":
            url = f"{url}?token={self._token}"
        self._socket = await connect(
            url,
            additional_headers=headers,
            compression=None,
            max_size=2**22,
            open_timeout=DEADLINE_S,
            close_timeout=0.5,
            proxy=None,
            **self._options,
        )
        if self._token is not None and self._how == "frame":
            await self.say({"type": "connect", "token": self._token, "resume": self._resume})

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def say(self, frame: dict[str, Any] | str | bytes) -> None:
        await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next(self) -> dict[str, Any]:
        """The next frame received."""
        if self.inbox:
            return self.inbox.pop(0)
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
            return frame

    async def first(self, **fields: Any) -> dict[str, Any]:
        """The first frame with these fields, kept or received from now on; other frames are kept."""
        for index, frame in enumerate(self.inbox):
            if _has(frame, fields):
                return self.inbox.pop(index)
        while not _has(frame := await self._receive(), fields):
            self.inbox.append(frame)
        return frame

    async def push(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first push of this type (and with these fields)."""
        return await self.first(type=kind, **fields)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        self._id += 1
        await self.say({"type": kind, "id": self._id, **fields})
        return await self.first(id=self._id)

    async def send(self, content: str, room: str = "general", **fields: Any) -> dict[str, Any]:
        """Send a message; returns the ack or error."""
        return await self.ask("send", room=room, content=content, **fields)

    async def send_many(self, numbers: range) -> list[dict[str, Any]]:
        """Send `m1`, `m2` … without waiting, with keys; returns the acks. Pushes in between are kept."""
        for number in numbers:
            await self.say({"type": "send", "id": number, "content": f"m{number}", "key": f"k{number}"})
        acks: list[dict[str, Any]] = []
        while len(acks) < len(numbers):
            frame = await self._receive()
            (acks if frame["type"] == "sent" else self.inbox).append(frame)
            assert frame["type"] != "error", frame
        return acks

    async def messages(self, count: int, room: str = "general") -> list[dict[str, Any]]:
        """The next `count` messages pushed in a room."""
        return [await self.push("message", room=room) for _ in range(count)]

    async def refusal(self, frame: dict[str, Any] | str | bytes) -> str:
        """Send an invalid frame; returns the error's code."""
        await self.say(frame)
        return str((await self.push("error"))["code"])

    async def closed(self) -> int:
        """Wait until the server closes; returns the close code."""
        try:
            while True:
                self.inbox.append(await self._receive())
        except ConnectionClosed:
            return int(self.socket.close_code or 1006)

    def cut(self) -> None:
        """Abort the connection, without a close frame."""
        self.socket.transport.abort()

    @property
    def positions(self) -> dict[str, dict[str, Any]]:
        """The position of each room in the welcome."""
        return {room["room"]: room["at"] for room in self.welcome["rooms"]}


def _has(frame: dict[str, Any], fields: dict[str, Any]) -> bool:
    return all(frame.get(name) == value for name, value in fields.items())


def offsets(messages: list[dict[str, Any]]) -> list[int]:
    return [message["at"]["offset"] for message in messages]


def contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]
