"""A chat room with python-socketio and its Redis manager: `emit` to a room."""

import os
import sys
from typing import Any

import socketio  # type: ignore[import-not-found]
import uvicorn

server = socketio.AsyncServer(async_mode="asgi", client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"]))
app = socketio.ASGIApp(server)


@server.event  # type: ignore[untyped-decorator]  # socketio has no types
async def join(sid: str, room: str) -> None:
    await server.enter_room(sid, room)
    await server.emit("joined", room, to=sid)


@server.event  # type: ignore[untyped-decorator]
async def say(_: str, data: dict[str, Any]) -> None:
    await server.emit("message", data["text"], room=data["room"])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
