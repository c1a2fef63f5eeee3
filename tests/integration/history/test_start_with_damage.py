"""History serves before the whole file was checked. What it serves and stores until then is right, or refused."""

import asyncio
import contextlib
import shutil
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings

from chatterbox.chassis.sqlite import background_check, service_database
from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.wire.errors import ChatError
from chatterbox.wire.history_api import Appended
from services.history import app as history_app
from services.history.core.message_page import MessagePage, PageSpan
from services.history.messages import message_pages
from services.history.restore import restore
from services.history.schema import SCHEMA
from tests.support.damage import Damage, Kind, damaged_copy, damages, without_indexes
from tests.support.history import Clock, FakeAuth, Service, running
from tests.support.waiting import until

DATABASE = "history.sqlite"
LOG = "history.sqlite-wal"
ROOMS = (1, 2, 3)
NEWEST = 1000
"""The messages that are checked before history serves."""
MESSAGES = 2 * NEWEST
A_PAGE = 50
IN_AN_OLD_PAGE = "UPDATE messages SET offset = offset + 1000000 WHERE id = 100"


class Stored(NamedTuple):
    """The data of a stopped history, most of whose messages are long."""

    data: Path
    heads: dict[int, int]
    pages: list[MessagePage | None]


class Told(NamedTuple):
    pages: list[MessagePage | None]
    """All pages of all rooms, read before the check has ended; None: refused."""
    why: str | None
    """The damage that was found by reading them, or by the check afterwards."""


async def told(data: Path, heads: dict[int, int]) -> Told:
    async with open_database(data / DATABASE, SCHEMA, readers=1) as database:
        pages: list[MessagePage | None] = []
        for room_id in ROOMS:
            for after in range(0, heads[room_id], A_PAGE):
                try:
                    span = PageSpan(A_PAGE, after=after)
                    pages.append(await message_pages.read(database.readers, room_id, span, prove=True))
                except (DatabaseDamagedError, ChatError):
                    pages.append(None)
        await until(lambda: database.background_check.has_passed or database.damage.why is not None, 60)
        return Told(pages, database.damage.why)


async def fill(history: Service, messages: int = MESSAGES) -> None:
    chance = Random(1)
    await history.greet("alice")
    for name in ("ops", "lounge"):
        assert (await history.do("POST", "/rooms", body={"room": name})).is_success
    for batch in range(messages // 100):
        texts = ["".join(chance.choices("äöüßéñ", k=chance.choice((20, 100, 2500)))) for _ in range(100)]
        await history.append(
            *(history.message(text, f"{batch}-{n}", room_id=chance.choice(ROOMS)) for n, text in enumerate(texts))
        )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    data = tmp_path_factory.mktemp("stored") / "data"

    async def make() -> Stored:
        clock = Clock()
        async with running(data, FakeAuth(clock), clock) as history:
            await fill(history)
        (data / "history.ballast").unlink()
        async with open_database(data / DATABASE, SCHEMA, readers=1) as database:
            heads: dict[int, int] = dict(await database.readers.rows("SELECT id, head FROM rooms"))
        whole = await told(data, heads)
        assert whole.why is None
        assert None not in whole.pages
        return Stored(data, heads, whole.pages)

    return asyncio.run(make())


@pytest.fixture(autouse=True)
def none_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_database, "SMALL_BYTES", 0)


@pytest.fixture
def unhurried_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check pauses so often that it does not end during the test."""
    monkeypatch.setattr(background_check, "OPERATIONS", 1)
    monkeypatch.setattr(background_check, "BURST_S", 0.0)
    monkeypatch.setattr(background_check, "WORK_SHARE", 1e-9)


@pytest.fixture
def hurried_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_check, "WORK_SHARE", 1.0)


def wrong_messages(told: Told, stored: Stored) -> int:
    """Messages that differ in any way from what was stored; raises if a page has a gap or a misplaced message."""
    differing = 0
    for page, whole in zip(told.pages, stored.pages, strict=True):
        if page is not None and whole is not None:
            assert [each[:2] for each in page.messages] == [each[:2] for each in whole.messages]
            differing += sum(one != other for one, other in zip(page.messages, whole.messages, strict=True))
    return differing


def judge(stored: Stored, damage: Damage) -> str:
    """What becomes of this damage; raises if anything wrong is served that the whole check would have found."""
    with damaged_copy(stored.data, DATABASE, damage) as data:
        try:
            result = asyncio.run(told(data, stored.heads))
        except DatabaseDamagedError:
            return "refused at the start"
    wrong = wrong_messages(result, stored)
    assert wrong <= (0 if result.why else 1), f"{wrong} wrong messages were served, although {result.why}"
    assert result.why is not None or None not in result.pages
    return "found" if result.why else "not detectable"


@pytest.mark.usefixtures("hurried_check")
class TestReading:
    def test_no_page_with_a_gap_is_served_whichever_of_150_pages_is_damaged(self, stored: Stored) -> None:
        became = [judge(stored, Damage(Kind.PAGE, seed)) for seed in range(150)]
        assert became.count("found") > 50  # about half: the start checks the newest messages, half of all
        assert "not detectable" not in became

    @settings(max_examples=60, deadline=None)
    @given(damage=damages(Kind.BIT, Kind.SECTOR, Kind.OTHER, Kind.CUT))
    def test_no_message_is_served_at_a_wrong_place_after_other_damage(self, stored: Stored, damage: Damage) -> None:
        judge(stored, damage)

    @pytest.mark.parametrize(
        "change",
        [
            "DELETE FROM messages WHERE id = 100",
            IN_AN_OLD_PAGE,
            "UPDATE messages SET room_id = 4 - room_id WHERE id = 100 AND room_id <> 2",
            "UPDATE messages SET key = 'other' WHERE id = 100",
            "UPDATE messages SET user_id = 77 WHERE id = 100",
        ],
    )
    def test_a_row_that_disagrees_with_its_indexes_is_not_served(
        self, stored: Stored, tmp_path: Path, change: str
    ) -> None:
        data = shutil.copytree(stored.data, tmp_path / "data")
        without_indexes(data / DATABASE, change)
        result = asyncio.run(told(data, stored.heads))
        assert result.pages.count(None) == 1
        assert result.why is not None


class TestWriting:
    @pytest.mark.usefixtures("hurried_check")
    @settings(max_examples=30, deadline=None)
    @given(damage=damages(Kind.PAGE, Kind.OTHER, Kind.SECTOR, Kind.BIT))
    def test_an_append_to_a_damaged_database_gets_the_next_offset_or_is_refused(
        self, stored: Stored, damage: Damage
    ) -> None:
        with damaged_copy(stored.data, DATABASE, damage) as data, contextlib.suppress(DatabaseDamagedError):
            asyncio.run(self._append(data, stored))

    async def _append(self, data: Path, stored: Stored) -> None:
        before = (data / DATABASE).read_bytes()
        clock = Clock()
        async with running(data, FakeAuth(clock), clock) as history:
            history.auth.token("alice")
            for room_id in ROOMS:
                for number in range(1, 4):
                    with contextlib.suppress(ChatError):
                        [outcome] = await history.append(history.message("x" * 3000, f"new-{number}", room_id=room_id))
                        assert isinstance(outcome, Appended)
                        assert outcome.offset == stored.heads[room_id] + number
            found = await outcome_of_check(history)
        if found == "damaged":
            assert (data / DATABASE).read_bytes() == before

    @pytest.mark.usefixtures("unhurried_check")
    async def test_the_file_is_not_written_until_the_check_has_passed(
        self, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = shutil.copytree(stored.data, tmp_path / "data")
        before = (data / DATABASE).read_bytes()
        clock = Clock()
        async with running(data, FakeAuth(clock), clock) as history:
            history.auth.token("alice")
            for batch in range(40):
                await history.append(*(history.message("x" * 3900, f"more-{batch}-{n}") for n in range(50)))
            assert not history.app.context.history.is_checked
        assert (data / DATABASE).read_bytes() == before
        assert (data / LOG).stat().st_size > 1000 * 4096  # SQLite moves it into the file from this size on
        monkeypatch.undo()
        async with running(data, FakeAuth(clock), clock) as history:
            history.auth.token("alice")
            assert await outcome_of_check(history) == "checked"
            [again] = await history.append(history.message("x" * 3900, "more-0-0"))
            assert again.offset == stored.heads[1] + 1  # type: ignore[union-attr]
        assert not (data / LOG).exists()
        assert (data / DATABASE).stat().st_size > len(before) + 2000 * 3900

    @pytest.mark.usefixtures("unhurried_check")
    async def test_history_stops_while_its_database_is_being_checked(self, stored: Stored, tmp_path: Path) -> None:
        data = shutil.copytree(stored.data, tmp_path / "data")
        clock = Clock()
        async with asyncio.timeout(60), running(data, FakeAuth(clock), clock) as history:
            assert not history.app.context.history.is_checked


class TestDamageFoundWhileServing:
    @pytest.fixture
    def data(self, stored: Stored, tmp_path: Path) -> Path:
        data = shutil.copytree(stored.data, tmp_path / "data")
        backup(data / DATABASE, tmp_path / "backup.sqlite")
        without_indexes(data / DATABASE, IN_AN_OLD_PAGE)
        return data

    async def test_a_damaged_database_serves_intact_pages_and_refuses_sends(self, data: Path, clock: Clock) -> None:
        async with running(data, FakeAuth(clock), clock) as history:
            history.auth.token("alice")
            assert await outcome_of_check(history) == "damaged"
            with pytest.raises(ChatError, match="restore a backup"):
                await history.append(history.message("hello", "hello"))
            assert len((await history.get("/messages", limit=50)).json()) == 50

    async def test_history_is_not_ready_once_damage_is_found(self, data: Path, clock: Clock) -> None:
        async with running(data, FakeAuth(clock), clock) as history:
            assert await outcome_of_check(history) == "damaged"
            assert (await history.public.get("/health/ready")).status_code == 503
            metrics = (await history.public.get("/metrics")).text
            assert "chatterbox_history_database_damaged 1.0" in metrics

    async def test_a_read_of_a_damaged_page_makes_history_unready(
        self, data: Path, clock: Clock, stored: Stored, unhurried_check: None
    ) -> None:
        async with running(data, FakeAuth(clock), clock) as history:
            history.auth.token("alice")
            answers = [
                (await history.get("/messages", room=room, after=0, limit=100)).status_code
                for room in ("general", "ops", "lounge")
            ]
            assert sorted(answers) == [200, 200, 503]
            assert (await history.public.get("/health/ready")).status_code == 503

    async def test_a_damaged_database_is_refused_after_a_restart(self, data: Path, clock: Clock) -> None:
        async with running(data, FakeAuth(clock), clock) as history:
            assert await outcome_of_check(history) == "damaged"
        with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
            async with running(data, FakeAuth(clock), clock):
                pass

    async def test_a_restored_backup_is_served(self, data: Path, clock: Clock, tmp_path: Path) -> None:
        async with running(data, FakeAuth(clock), clock) as history:
            assert await outcome_of_check(history) == "damaged"
        restore(data / DATABASE, tmp_path / "backup.sqlite")
        async with running(data, FakeAuth(clock), clock) as history:
            assert await outcome_of_check(history) == "checked"
        assert not (data / "history.damaged").exists()

    async def test_a_damaged_database_is_not_migrated(
        self, data: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newer = SCHEMA._replace(migrations=(*SCHEMA.migrations, "ALTER TABLE rooms ADD COLUMN colour TEXT;"))
        monkeypatch.setattr(history_app, "SCHEMA", newer)
        with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
            async with running(data, FakeAuth(clock), clock):
                pass


class TestStart:
    """What is checked before the first request is answered."""

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE rooms SET head = head + 1 WHERE id = 2",
            "UPDATE rooms SET head = head - 1 WHERE id = 2",
            "UPDATE rooms SET last_ms = last_ms + 1 WHERE id = 2",
            "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'messages'",
            "DELETE FROM meta",
            f"UPDATE messages SET key = 'other' WHERE id = (SELECT max(id) - {NEWEST - 1} FROM messages)",
            "UPDATE memberships SET user_id = 77",
            "UPDATE rooms SET name = 'other' WHERE id = 2",
        ],
    )
    @pytest.mark.usefixtures("unhurried_check")
    async def test_damage_to_rooms_members_and_newest_messages_is_refused(
        self, stored: Stored, tmp_path: Path, change: str
    ) -> None:
        data = shutil.copytree(stored.data, tmp_path / "data")
        without_indexes(data / DATABASE, change)
        with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
            async with open_database(data / DATABASE, SCHEMA, readers=1):
                pass

    @pytest.mark.usefixtures("unhurried_check")
    async def test_a_large_database_is_ready_while_it_is_being_checked(self, stored: Stored, tmp_path: Path) -> None:
        data = shutil.copytree(stored.data, tmp_path / "data")
        clock = Clock()
        async with running(data, FakeAuth(clock), clock) as history:
            answer = await history.public.get("/health/ready")
            assert (answer.status_code, answer.json()["database"]) == (200, "being checked")


async def outcome_of_check(history: Service) -> str:
    """Wait for the end of the check: `checked` or `damaged`."""
    service = history.app.context.history
    await until(lambda: service.is_checked or service.is_damaged, 60)
    return "damaged" if service.is_damaged else "checked"
