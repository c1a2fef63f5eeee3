"""Pages from memory: right at once after each kind of change, and the same from both places that answer `/messages`."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from chatterbox.chassis.sqlite.reader_pool import Parameters, ReaderPool, Row
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from services.history.core.page_cache import PageCache
from services.history.messages.commit_group import CommitGroup
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.group_committer import GroupCommitter
from services.history.restore import restore
from tests.support.history import START_MS, Service, Start, code

HEAD = 60
QUERIES = (
    "",
    "limit=50",
    "before=61&limit=10",
    "after=50",
    "after=70",
    "offset=10&limit=5",
    "around=30&limit=7",
    "limit=200",
)
"""Pages at the head, far from it, and beyond it."""
TO_FASTAPI = "utm_source=x"
"""A parameter that the route does not know; a request with it is left to FastAPI."""

Act = Callable[[Service], Awaitable[httpx.Response]]


@pytest.fixture
async def warm(history: Service) -> Service:
    """Room `engines` of alice, with bob, whose pages are all in memory."""
    (await history.do("POST", "/rooms", "alice", {"room": "engines"})).raise_for_status()
    (await history.do("PUT", "/rooms/engines/members/me", "bob")).raise_for_status()
    for number in range(1, HEAD + 1):
        await say(history, f"text {number}", key=str(number))
    await warm_up(history)
    return history


async def warm_up(history: Service) -> dict[str, httpx.Response]:
    return {query: await page(history, query) for query in QUERIES}


async def page(history: Service, query: str, user: str = "bob", **headers: str) -> httpx.Response:
    return await history.public.get(f"/messages?room=engines&{query}", headers={**history.headers(user), **headers})


async def say(history: Service, content: str, *, key: str | None = None, **fields: Any) -> httpx.Response:
    said = await history.do("POST", "/messages", "alice", {"room": "engines", "content": content, "key": key, **fields})
    return said.raise_for_status()


def cache_of(history: Service) -> PageCache:
    return history.app.context.pages._cache


CHANGES: dict[str, Act] = {
    "a new message": lambda history: say(history, "new"),
    "a reply": lambda history: say(history, "new", reply_to=30),
    "an edit": lambda history: history.do("PUT", "/rooms/engines/messages/60", "alice", {"content": "other"}),
    "an edit far back": lambda history: history.do("PUT", "/rooms/engines/messages/29", "alice", {"content": "other"}),
    "a deletion": lambda history: history.do("DELETE", "/rooms/engines/messages/55", "alice"),
    "a reaction": lambda history: history.do("PUT", "/rooms/engines/messages/60/reactions/👍", "bob"),
    "a reaction taken back": lambda history: history.do("DELETE", "/rooms/engines/messages/59/reactions/👍", "bob"),
    "a pin": lambda history: history.do("PUT", "/rooms/engines/pins/60", "alice"),
}


class TestChanges:
    @pytest.mark.parametrize("change", CHANGES)
    async def test_every_page_is_as_the_database_has_it_right_after(self, warm: Service, change: str) -> None:
        (await warm.do("PUT", "/rooms/engines/messages/59/reactions/👍", "bob")).raise_for_status()
        before = await warm_up(warm)
        (await CHANGES[change](warm)).raise_for_status()
        after = await warm_up(warm)
        cache_of(warm).clear()
        stored = await warm_up(warm)
        assert [answer.json() for answer in after.values()] == [answer.json() for answer in stored.values()]
        assert [answer.headers["X-Room-Rev"] for answer in after.values()] == [
            answer.headers["X-Room-Rev"] for answer in stored.values()
        ]
        assert before["limit=200"].json() != after["limit=200"].json()

    async def test_a_message_of_a_gateway_is_in_the_next_page(self, warm: Service) -> None:
        room = (await warm.ask("join", history_api.JoinRoomCall("engines", 1, "alice"), history_api.RoomInfo)).room_id
        for number in range(20):
            await warm.append(warm.message(f"again {number}", f"again-{number}", room_id=room))
            assert (await page(warm, "limit=1")).json()[0]["content"] == f"again {number}"

    async def test_a_deleted_text_leaves_memory_with_the_commit(self, warm: Service) -> None:
        (await warm.do("DELETE", "/rooms/engines/messages/55", "alice")).raise_for_status()
        assert b'"text 55"' not in b"".join(cached_bodies(warm))
        (await warm.do("PUT", "/rooms/engines/messages/54", "alice", {"content": "other"})).raise_for_status()
        assert b'"text 54"' not in b"".join(cached_bodies(warm))

    async def test_pages_far_from_the_head_stay_in_memory_when_messages_arrive(self, warm: Service) -> None:
        before = pages_read(warm)
        await say(warm, "new")
        assert pages_read(warm) == before + 1  # the answer to the sender
        await page(warm, "before=61&limit=10")
        assert pages_read(warm) == before + 1
        await page(warm, "limit=50")
        assert pages_read(warm) == before + 2

    async def test_a_failed_commit_that_stored_a_message_all_the_same_leaves_no_old_page(
        self, warm: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit = GroupCommitter.commit

        async def commit_and_fail(committer: GroupCommitter, group: CommitGroup) -> CommittedChanges:
            await commit(committer, group)
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(GroupCommitter, "commit", commit_and_fail)
        said = await warm.do("POST", "/messages", "alice", {"room": "engines", "content": "stored", "key": "k"})
        assert code(said) == (503, Code.UNAVAILABLE)
        assert (await page(warm, "limit=50")).json()[0]["content"] == "stored"


def cached_bodies(history: Service) -> list[bytes]:
    return [cached.body for room in cache_of(history)._rooms.values() for cached in room.pages.values()]


def metric(history: Service, name: str, label: str = "") -> float:
    """The sum of a metric's series, of those with a text in their labels."""
    metrics = history.app._metrics
    assert metrics is not None
    lines = metrics.scrape().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and label in line)


def pages_read(history: Service) -> float:
    return metric(history, "chatterbox_history_page_seconds_count")


class TestMembership:
    async def test_who_left_gets_no_page_from_memory(self, warm: Service) -> None:
        (await warm.do("DELETE", "/rooms/engines/members/me", "bob")).raise_for_status()
        assert code(await page(warm, "limit=50")) == (403, Code.NOT_A_MEMBER)
        (await warm.do("PUT", "/rooms/engines/members/me", "bob")).raise_for_status()
        assert (await page(warm, "limit=50")).status_code == 200

    async def test_a_removed_member_gets_no_page_from_memory(self, warm: Service) -> None:
        (await warm.do("DELETE", "/rooms/engines/members/bob", "alice")).raise_for_status()
        assert code(await page(warm, "limit=50")) == (403, Code.NOT_A_MEMBER)
        assert (await page(warm, "limit=50", "alice")).status_code == 200

    async def test_another_user_gets_no_page_from_memory(self, warm: Service) -> None:
        await warm.greet("carol")
        assert code(await page(warm, "limit=50", "carol")) == (403, Code.NOT_A_MEMBER)

    async def test_an_ended_session_gets_no_page_from_memory(self, warm: Service) -> None:
        token = warm.auth.token("bob", sid="gone")
        headers = {"Authorization": f"Bearer {token}"}
        assert (await warm.public.get("/messages?room=engines", headers=headers)).status_code == 200
        ended = encode_control(SessionRevoked("gone", START_MS // 1000 + 3600))
        await warm.broker.publish([(CONTROL, ended)])
        refused = await warm.public.get("/messages?room=engines", headers=headers)
        assert code(refused) == (401, Code.SESSION_ENDED)

    async def test_a_deleted_room_gives_no_page_from_memory(self, warm: Service) -> None:
        (await warm.do("DELETE", "/rooms/engines", "alice")).raise_for_status()
        assert code(await page(warm, "limit=50")) == (404, Code.ROOM_UNKNOWN)
        assert not cached_bodies(warm)

    async def test_a_room_made_under_a_deleted_name_has_its_own_pages(self, warm: Service) -> None:
        old = await page(warm, "limit=50")
        (await warm.do("DELETE", "/rooms/engines", "alice")).raise_for_status()
        (await warm.do("POST", "/rooms", "bob", {"room": "engines"})).raise_for_status()
        new = await page(warm, "limit=50", **{"If-None-Match": old.headers["ETag"]})
        assert (new.status_code, new.json()) == (200, [])

    async def test_reads_from_memory_count_at_the_rate_of_reads(self, start: Start) -> None:
        async with start(limits=Limits(reads_per_s=0.001, reads_burst=3)) as history:
            await history.greet("alice")
            statuses = [(await history.get("/messages")).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]


class TestReadsDuringCommits:
    @pytest.fixture
    async def held(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
        """While `hold` is set, rows that were read are given only after `release`; `read` tells that some were."""
        read_rows, is_read, release = ReaderPool.rows, asyncio.Event(), asyncio.Event()

        async def rows(pool: ReaderPool, sql: str, parameters: Parameters = ()) -> list[Row]:
            found = await read_rows(pool, sql, parameters)
            if "span" in sql or "AS wanted" in sql:
                is_read.set()
                await release.wait()
            return found

        monkeypatch.setattr(ReaderPool, "rows", rows)
        yield is_read, release
        release.set()

    async def test_a_page_that_was_read_before_a_message_is_not_kept(
        self, history: Service, held: tuple[asyncio.Event, asyncio.Event]
    ) -> None:
        is_read, release = held
        release.set()
        await history.fill(3)
        assert (await history.get("/messages?limit=2")).json()[0]["offset"] == 3  # alice is known as a member
        is_read.clear()
        release.clear()
        reading = asyncio.create_task(history.get("/messages?limit=5"))
        await is_read.wait()
        await history.append(history.message("new", "new"))
        release.set()
        await reading
        assert (await history.get("/messages?limit=5")).json()[0]["content"] == "new"

    async def test_a_page_that_was_read_before_an_edit_is_not_kept(
        self, history: Service, held: tuple[asyncio.Event, asyncio.Event]
    ) -> None:
        is_read, release = held
        release.set()
        await history.fill(9)
        await history.get("/messages?limit=2")
        is_read.clear()
        release.clear()
        reading = asyncio.create_task(history.get("/messages?before=5"))
        await is_read.wait()
        await history.append_batch(
            changes=[history_api.MessageEdit(room_id=1, user_id=1, username="alice", offset=4, content="edited")]
        )
        release.set()
        await reading
        assert (await history.get("/messages?before=5")).json()[0]["content"] == "edited"

    async def test_a_membership_that_was_read_before_it_ended_is_not_kept(
        self, warm: Service, held: tuple[asyncio.Event, asyncio.Event]
    ) -> None:
        is_read, release = held
        cache_of(warm).clear()
        reading = asyncio.create_task(page(warm, "limit=5"))
        await is_read.wait()
        bob = warm.auth.names["bob"]
        await warm.ask("leave", history_api.LeaveRoomCall("engines", bob, "bob"), history_api.LeftRoom)
        release.set()
        await reading
        assert code(await page(warm, "limit=5")) == (403, Code.NOT_A_MEMBER)


class TestETag:
    async def test_an_unchanged_page_is_answered_with_304_and_no_body(self, warm: Service) -> None:
        for query in QUERIES:
            first = await page(warm, query)
            same = await page(warm, query, **{"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
            assert (same.status_code, same.content) == (304, b""), query
            assert same.headers["ETag"] == first.headers["ETag"]
            assert same.headers["X-Room-Rev"] == first.headers["X-Room-Rev"]
            assert (await page(warm, query, **{"If-None-Match": "*"})).status_code == 304
            assert (await page(warm, query, **{"If-None-Match": '"other"'})).status_code == 200

    @pytest.mark.parametrize("change", CHANGES)
    async def test_a_changed_page_has_another_etag(self, warm: Service, change: str) -> None:
        (await warm.do("PUT", "/rooms/engines/messages/59/reactions/👍", "bob")).raise_for_status()
        before = await warm_up(warm)
        (await CHANGES[change](warm)).raise_for_status()
        for query, old in before.items():
            new = await page(warm, query, **{"If-None-Match": old.headers["ETag"]})
            is_same = (await page(warm, query)).json() == old.json()
            assert new.status_code == 200 or is_same, query

    async def test_a_restored_backup_gives_every_page_another_etag(self, start: Start, tmp_path: Any) -> None:
        async with start() as history:
            await history.greet("alice")
            await history.fill(3)
            tag = (await history.get("/messages")).headers["ETag"]
            database = history.settings.database
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(database.read_bytes())
        restore(database, copy)
        async with start() as history:
            headers = {**history.headers("alice"), "If-None-Match": tag}
            assert (await history.public.get("/messages", headers=headers)).status_code == 200

    async def test_a_page_that_is_not_in_a_room_of_ones_own_is_refused_even_with_its_etag(self, warm: Service) -> None:
        tag = (await page(warm, "limit=50")).headers["ETag"]
        await warm.greet("carol")
        assert code(await page(warm, "limit=50", "carol", **{"If-None-Match": tag})) == (403, Code.NOT_A_MEMBER)


SAME_FROM_BOTH = (
    *QUERIES,
    "limit=0", "limit=201", "limit=ten", "limit=+5", "limit=05", "limit=5&limit=6", "limit=%35", "limit=5 ",
    "before=0", "before=9007199254740991", "before=9007199254740992", "after=-1", "offset=9007199254740991",
    "around=3&thread=1", "around=3&after=2", "thread=1", "changed_after=0", "after=3&before=8", "limit", "=5", "&&",
    "room=", "room=nowhere", "room=%00", "room=ENGINES", "room=general&room=engines", "room=@alice%2Bbob",
    "%6Cimit=2", ";",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": ""},
    {"Authorization": "Basic x"},
    {"Authorization": "bearer  x"},
    {"If-None-Match": "*"},
    {"If-None-Match": '"'},
    {"X-Request-Id": "mine"},
    {"Content-Type": "application/json"},
)


class TestBothPlaces:
    """FastAPI answers a request with an unknown parameter; without it, `PageEndpoint` does where it can."""

    async def test_every_query_gets_the_same_answer(self, warm: Service) -> None:
        for query in SAME_FROM_BOTH:
            ours, fastapis = await page(warm, query), await page(warm, f"{query}&{TO_FASTAPI}")
            assert seen(ours) == seen(fastapis), query

    async def test_every_header_gets_the_same_answer(self, warm: Service) -> None:
        for headers in HEADERS:
            ours, fastapis = await page(warm, "", **headers), await page(warm, TO_FASTAPI, **headers)
            assert seen(ours) == seen(fastapis), headers

    async def test_other_methods_and_paths_are_left_to_fastapi(self, warm: Service) -> None:
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
            assert (await warm.do(method, "/messages")).status_code == 405, method
        for path in ("/messages/", "//messages", "/messages/1", "/Messages"):
            assert code(await warm.get(path)) == (404, Code.NOT_FOUND), path

    async def test_both_count_as_the_same_route_in_the_metrics(self, warm: Service) -> None:
        def counted() -> float:
            return metric(warm, "chatterbox_history_http_requests_total", '"/messages"')

        before = counted()
        await page(warm, "")
        await page(warm, "limit=many")
        await page(warm, TO_FASTAPI)
        assert counted() == before + 3

    async def test_bug_is_answered_and_logged_as_elsewhere(
        self, warm: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(PageCache, "room_of", broken)
        transport = httpx.ASGITransport(warm.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://history") as client:
            answer = await client.get("/messages", headers=warm.headers("alice"))
        assert code(answer) == (500, Code.INTERNAL)
        assert "request.failed" in caplog.text


def seen(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, headers, answer.content
