"""A chat room as FastAPI's documentation shows it: a list of connections, and `send_text` for each, one by one."""

import sys
from collections import defaultdict

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


class ConnectionManager:
    """As in the documentation, with rooms."""

    def __init__(self) -> None:
        self.active_connections: dict[str, list[WebSocket]] = defaultdict(list)

    async def connect(self, room: str, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active_connections[room].append(websocket)

    def disconnect(self, room: str, websocket: WebSocket) -> None:
        self.active_connections[room].remove(websocket)

    async def broadcast(self, room: str, message: str) -> None:
        for connection in list(self.active_connections[room]):
            await connection.send_text(message)


manager = ConnectionManager()


@app.websocket("/ws/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    await manager.connect(room, websocket)
    try:
        while True:
            await manager.broadcast(room, await websocket.receive_text())
    except WebSocketDisconnect:
        manager.disconnect(room, websocket)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
