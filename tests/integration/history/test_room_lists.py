"""Pages of the room list, and what looking for a room costs."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chatterbox.chassis.sqlite.reader_pool import Parameters, Row
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.history.rooms import room_queries
from services.history.schema import MIGRATIONS
from tests.support.history import Service, Start


async def names(history: Service, user: str, page: dict[str, str] | None = None) -> tuple[list[str], str | None]:
    """The names of a page, and the `after` that the header `Link` has for the next one."""
    answer = await history.get("/rooms", user, **(page or {}))
    link = answer.headers.get("Link")
    if link is None:
        return [room["room"] for room in answer.json()], None
    address, relation = link.split("; ")
    assert relation == 'rel="next"'
    return [room["room"] for room in answer.json()], parse_qs(urlsplit(address.strip("<>")).query)["after"][0]


async def test_every_public_room_is_in_one_page_and_own_ones_are_in_the_first(start: Start) -> None:
    async with start(limits=Limits(page_rooms=3, rooms_per_day=100)) as history:
        await history.greet("alice", "bob")
        for number in range(8):
            await history.do("POST", "/rooms", "alice", {"room": f"r{number}"})
            await history.do("POST", "/rooms", "alice", {"room": f"p{number}", "private": True})
        for room in ("r2", "r7"):
            assert (await history.do("PUT", f"/rooms/{room}/members/me", "bob")).status_code == 200
        first, after = await names(history, "bob")
        assert (first, after) == (["general", "r2", "r7", "r0", "r1", "r3"], "r3")
        assert await names(history, "bob", {"after": after or ""}) == (["r4", "r5", "r6"], None)
        assert await names(history, "bob", {"after": "r6"}) == ([], None)


async def test_the_number_of_members_follows_every_join_and_leave(history: Service) -> None:
    await history.do("POST", "/rooms", "alice", {"room": "ops"})
    counts = []
    for method in ("PUT", "PUT", "DELETE", "DELETE", "PUT"):
        await history.do(method, "/rooms/ops/members/me", "bob")
        counts.append((await history.get("/rooms/ops", "bob")).json()["members"])
    assert counts == [2, 2, 1, 1, 2]
    listed = {room["room"]: room["members"] for room in (await history.get("/rooms", "bob")).json()}
    assert listed == {"general": 2, "ops": 2}


class Counted:
    """A source of rows that counts the steps of SQLite's virtual machine."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self.steps = 0
        self._database.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self.steps += 1
        return 0

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._database.execute(sql, parameters).fetchall()

    async def cost(self, query: Callable[["Counted"], Awaitable[object]]) -> int:
        self.steps = 0
        with pytest.raises(ChatError) as refused:
            await query(self)
        assert refused.value.code == Code.ROOM_UNKNOWN
        return self.steps

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Counted]:
    """A database with 300 rooms, and 3000 members in the private room `secret`."""
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as database:
        for script in MIGRATIONS:
            database.executescript(script)
        rooms = [(f"room-{number}", number % 2) for number in range(300)] + [("secret", 1)]
        database.executemany("INSERT INTO rooms (name, epoch, private, created_ms) VALUES (?, 'e', ?, 0)", rooms)
        [(secret,)] = database.execute("SELECT id FROM rooms WHERE name = 'secret'").fetchall()
        members = [(secret, user_id, f"user-{user_id}") for user_id in range(10, 3010)]
        database.executemany(
            "INSERT INTO memberships (room_id, user_id, username, joined_ms) VALUES (?, ?, ?, 0)", members
        )
        database.commit()
    counted = Counted(path)
    yield counted
    counted.close()


async def test_looking_for_a_private_room_takes_as_many_steps_as_for_one_that_does_not_exist(crowded: Counted) -> None:
    await crowded.cost(lambda source: room_queries.find(source, "nowhere", 1, Limits()))  # reads the schema
    costs = [
        await crowded.cost(lambda source, name=name: room_queries.find(source, name, 1, Limits()))  # type: ignore[misc]
        for name in ("secret", "nowhere", "room-1", "aaa", "zzz")
    ]
    assert max(costs) - min(costs) <= 5


async def test_a_page_of_the_list_takes_as_many_steps_however_many_rooms_and_members_there_are(
    crowded: Counted,
) -> None:
    page = await room_queries.listing(crowded, 1, limit=20)
    few = crowded.steps
    assert (len(page.rooms), page.next) == (20, "room-130")
    crowded._database.executemany(
        "INSERT INTO rooms (name, epoch, created_ms) VALUES (?, 'e', 0)", [(f"zzz-{n}",) for n in range(5000)]
    )
    crowded.steps = 0
    await room_queries.listing(crowded, 1, limit=20)
    assert crowded.steps <= few + 50
