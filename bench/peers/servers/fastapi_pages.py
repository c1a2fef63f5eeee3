"""Pages of messages as one writes them with FastAPI and aiosqlite: a query and a response model, no token."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import aiosqlite
import uvicorn
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel

MESSAGES = 60
TEXT_CHARS = 70
DATABASE = Path(tempfile.mkdtemp()) / "messages.sqlite"


class Message(BaseModel):
    """The fields of a page of Chatterbox."""

    id: int
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiosqlite.connect(DATABASE) as db:
        await db.execute("PRAGMA journal_mode=WAL")
        await db.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, room TEXT, epoch TEXT, offset INTEGER, username TEXT,"
            " content TEXT, timestamp TEXT, UNIQUE (room, offset))"
        )
        await db.executemany(
            "INSERT INTO messages VALUES (?, 'general', '5f3a9c21', ?, 'member-0', ?, '2026-11-30T12:00:00.000Z')",
            [(number, number, "x" * TEXT_CHARS) for number in range(1, MESSAGES + 1)],
        )
        await db.commit()
        db.row_factory = aiosqlite.Row
        app.state.db = db
        yield


app = FastAPI(lifespan=lifespan)


async def database() -> aiosqlite.Connection:
    db: aiosqlite.Connection = app.state.db
    return db


@app.get("/messages")
async def messages(
    db: Annotated[aiosqlite.Connection, Depends(database)],
    room: str = "general",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[Message]:
    rows = await db.execute_fetchall(
        "SELECT * FROM messages WHERE room = ? ORDER BY offset DESC LIMIT ?", (room, limit)
    )
    return [Message(**row) for row in rows]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
