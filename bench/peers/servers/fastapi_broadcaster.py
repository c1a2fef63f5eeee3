"""A chat room with broadcaster and Redis, as in its documentation: one task receives, one task sends."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from broadcaster import Broadcast  # type: ignore[import-not-found]
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

broadcast = Broadcast(os.environ["REDIS_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await broadcast.connect()
    yield
    await broadcast.disconnect()


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    async with anyio.create_task_group() as tasks:

        async def receiver() -> None:
            try:
                async for message in websocket.iter_text():
                    await broadcast.publish(channel=room, message=message)
            except WebSocketDisconnect:
                pass
            tasks.cancel_scope.cancel()

        async def sender() -> None:
            async with broadcast.subscribe(channel=room) as subscriber:
                async for event in subscriber:
                    await websocket.send_text(event.message)

        tasks.start_soon(receiver)
        tasks.start_soon(sender)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
