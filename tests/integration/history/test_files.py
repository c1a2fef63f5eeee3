"""Files of messages: who may upload, send and read them, and when their bytes and names are erased."""

import random
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from types import NoneType

import pytest

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import room_channel
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile
from services.history.erasure import log_erasure, page_erasure
from services.history.erasure.page_erasure import TextRow
from services.history.restore import restore
from services.history.schema import SCHEMA
from tests.integration.history.test_changes import change, delete
from tests.integration.history.test_erasure import files_with
from tests.integration.history.test_room_ends import room_info
from tests.support.history import Service, Start, code, until
from tests.support.waiting import MOST_S
from tests.support.waiting import until as wait_until

HOUR_MS = 3600 * 1000
CANARY = "canary-71b3c0.pdf"


@pytest.fixture
def start(start: Start) -> Start:
    """Direct conversations are not encrypted here."""
    return partial(start, encryption=EncryptionPolicy.ALLOWED)


async def uploaded(history: Service, file_id: str, user: str = "alice", room_id: int = 1, name: str = "") -> None:
    """The files service says that a file is complete."""
    file = AttachedFile(id=file_id, name=name or f"{file_id}.txt", type="text/plain", size=7)
    told = history_api.FileUploaded(room_id=room_id, user_id=history.auth.names[user], file=file)
    await history.ask("uploads", told, NoneType)


async def send(history: Service, *file_ids: str, user: str = "alice", room: str = "general") -> int:
    """Send files without a text; returns the offset of the message."""
    answer = await history.do("POST", "/messages", user, {"room": room, "content": "", "files": list(file_ids)})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["offset"])


async def to_erase(history: Service, *done: str) -> list[str]:
    answer = await history.ask("files/erased", history_api.FileErasures(list(done)), history_api.FilesToErase)
    return sorted(answer.file_ids)


async def named(history: Service, *file_ids: str) -> list[str]:
    answer = await history.ask("files/named", history_api.FilesNamed(list(file_ids)), history_api.FilesNamed)
    return sorted(answer.file_ids)


async def check(history: Service, room: str, user: str = "alice") -> history_api.UploadRoom:
    query = history_api.UploadCheck(room=room, user_id=history.auth.names[user], username=user)
    return await history.ask("uploads/check", query, history_api.UploadRoom)


async def read(history: Service, file_id: str, user: str = "bob") -> AttachedFile:
    query = history_api.FileAccess(file_id=file_id, user_id=history.auth.names[user])
    return await history.ask("files/access", query, AttachedFile)


async def refusal(attempt: object) -> Code:
    with pytest.raises(ChatError) as refused:
        await attempt  # type: ignore[misc]  # any coroutine
    return refused.value.code


class TestUploads:
    async def test_members_may_upload_for_their_rooms_only(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
        assert (await check(history, "General")) == history_api.UploadRoom(1, "general")
        assert (await check(history, "priv")).room == "priv"
        assert await refusal(check(history, "priv", "bob")) is Code.ROOM_UNKNOWN

    async def test_upload_for_a_direct_conversation_opens_it_unless_it_is_refused(self, history: Service) -> None:
        opened = await check(history, "@alice+bob")
        assert (await room_info(history, "@alice+bob")).room_id == opened.room_id
        await history.do("PUT", "/blocks/alice", "bob")
        assert await refusal(check(history, "@alice+bob")) is Code.DIRECT_REFUSED

    async def test_new_user_may_upload_before_they_ever_connected(self, history: Service) -> None:
        history.auth.token("carol")
        assert (await check(history, "general", "carol")).room_id == 1


class TestMessages:
    async def test_message_with_files_is_sent_and_read_over_http(self, history: Service) -> None:
        await uploaded(history, "one")
        await uploaded(history, "two")
        body = {"content": "both", "files": ["two", "one"], "key": "k"}
        sent = await history.do("POST", "/messages", body=body)
        again = await history.do("POST", "/messages", body=body)
        files = [{"id": each, "name": f"{each}.txt", "type": "text/plain", "size": 7} for each in ("two", "one")]
        assert (sent.status_code, sent.json()["files"], again.json()) == (201, files, sent.json())
        await history.do("POST", "/messages", body={"content": "no file"})
        page = (await history.get("/messages")).json()
        assert [message.get("files") for message in page] == [None, files]

    async def test_refused_files_are_named_by_their_code(self, history: Service) -> None:
        await uploaded(history, "bobs", "bob")
        for content, files, refused in (
            ("", ["bobs"], (404, Code.FILE_UNKNOWN)),
            ("", ["no such file!"], (404, Code.FILE_UNKNOWN)),
            ("x", [str(number) for number in range(11)], (409, Code.TOO_MANY_FILES)),
            ("", [], (422, Code.CONTENT_EMPTY)),
        ):
            answer = await history.do("POST", "/messages", body={"content": content, "files": files})
            assert code(answer) == refused

    async def test_gateway_pages_have_the_files_in_their_frames(self, history: Service) -> None:
        await uploaded(history, "one")
        offset = await send(history, "one")
        page = await history.ask("page", history_api.PageQuery(room_id=1, limit=5), history_api.StoredPage)
        assert b'"files":[{"id":"one","name":"one.txt","type":"text/plain","size":7}]' in bytes(page.frames[offset - 1])

    async def test_published_batch_has_the_files_in_its_frame(self, history: Service) -> None:
        await uploaded(history, "one")
        heard = await history.listening(room_channel(1))
        await send(history, "one")
        await until(lambda: bool(heard))
        assert b'"content":"","timestamp":' in heard[0][1]
        assert b'"files":[{"id":"one","name":"one.txt"' in heard[0][1]


class TestReading:
    async def test_members_read_a_file_once_a_message_has_it(self, history: Service) -> None:
        await uploaded(history, "one")
        assert (await read(history, "one", "alice")).name == "one.txt"
        assert await refusal(read(history, "one")) is Code.FILE_UNKNOWN
        await send(history, "one")
        assert (await read(history, "one")).size == 7
        assert await refusal(read(history, "none")) is Code.FILE_UNKNOWN


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is truncated after a moment instead of `DELAY_S`."""
    monkeypatch.setattr(log_erasure, "DELAY_S", 0.05)


@pytest.mark.usefixtures("soon")
class TestErasure:
    async def test_name_of_a_file_is_in_no_file_of_history_soon_after_its_message_is_deleted(
        self, history: Service
    ) -> None:
        await uploaded(history, "one", name=CANARY)
        offset = await send(history, "one")
        assert files_with(history.settings.data, CANARY)
        await change(history, delete(history, offset))
        assert (await to_erase(history), await named(history, "one")) == (["one"], [])
        await wait_until(lambda: not files_with(history.settings.data, CANARY), MOST_S)
        assert await to_erase(history, "one") == []

    async def test_file_that_no_message_took_within_a_day_is_erased(self, start: Start, history: Service) -> None:
        await uploaded(history, "taken")
        await uploaded(history, "left", name=CANARY)
        await send(history, "taken")
        history.clock.now += 24 * HOUR_MS - 1
        assert await named(history, "taken", "left") == ["left", "taken"]
        history.clock.now += 1
        await history.do("POST", "/rooms", body={"room": "ends"})
        await history.do("DELETE", "/rooms/ends")  # the cleanup runs after a deletion
        await wait_until(lambda: not files_with(history.settings.data, CANARY), MOST_S)
        assert await to_erase(history) == ["left"]
        assert await named(history, "taken", "left") == ["taken"]
        assert await refusal(read(history, "left", "alice")) is Code.FILE_UNKNOWN

    async def test_files_of_a_room_are_erased_with_it(self, history: Service) -> None:
        await history.do("POST", "/rooms", body={"room": "priv", "private": True})
        info = await room_info(history, "priv")
        await uploaded(history, "sent", room_id=info.room_id)
        await uploaded(history, "unsent", room_id=info.room_id, name=CANARY)
        await uploaded(history, "elsewhere")
        await send(history, "sent", room="priv")
        assert (await history.do("DELETE", "/rooms/priv/members/me?delete=true")).status_code == 204
        assert await refusal(read(history, "sent", "alice")) is Code.FILE_UNKNOWN
        await wait_until(lambda: not files_with(history.settings.data, CANARY), MOST_S)
        assert await to_erase(history) == ["sent", "unsent"]
        assert await named(history, "sent", "unsent", "elsewhere") == ["elsewhere"]

    async def test_restored_backup_queues_the_files_of_messages_deleted_since_for_erasure(
        self, start: Start, tmp_path: Path
    ) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            await uploaded(history, "gone", name=CANARY)
            await uploaded(history, "stays")
            offset = await send(history, "gone")
            await send(history, "stays")
            database = history.settings.database
            backup(database, tmp_path / "copy.sqlite")
            await change(history, delete(history, offset))
            await to_erase(history, "gone")
        restore(database, tmp_path / "copy.sqlite")
        assert files_with(database.parent, CANARY) == []
        async with start() as history:
            assert await to_erase(history) == ["gone"]
            assert await named(history, "gone", "stays") == ["stays"]

    async def test_a_deleted_file_is_listed_in_a_file_until_its_name_is_gone(self, history: Service) -> None:
        await uploaded(history, "one", name=CANARY)
        offset = await send(history, "one")
        await change(history, delete(history, offset))
        listed = history.settings.data / "erasing.log"
        assert listed.read_text().splitlines() == ["messages 1", "files 1"]
        await wait_until(lambda: not listed.exists(), MOST_S)
        assert files_with(history.settings.data, CANARY) == []

    async def test_copies_that_a_restore_kept_lose_the_name_too(self, history: Service) -> None:
        await uploaded(history, "one", name=CANARY)
        offset = await send(history, "one")
        data, database = history.settings.data, history.settings.database
        backup(database, data / "history.before-restore-1.sqlite")
        await change(history, delete(history, offset))
        await wait_until(lambda: not files_with(data, CANARY), MOST_S)


def test_copies_of_the_names_of_deleted_files_in_pages_are_cleared(tmp_path: Path) -> None:
    for seed in range(6):
        chance, path = random.Random(seed), tmp_path / f"{seed}.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for script in SCHEMA.migrations:
                db.executescript(script)
            for pragma in ("journal_mode=WAL", "synchronous=OFF", "secure_delete=ON"):
                db.execute(f"PRAGMA {pragma}")
            live, gone = _kept_and_deleted(db, chance)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = db.execute("SELECT * FROM files").fetchall()
            rows = [TextRow(page_erasure.FILES, row_id) for row_id in gone]
            page_erasure.clear(db, rows)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            data = path.read_bytes()
            assert [row_id for row_id in gone if _name(row_id).encode() in data] == []
            assert all(_name(row_id).encode() in data for row_id in live)
            assert db.execute("SELECT * FROM files").fetchall() == before
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _name(row_id: int) -> str:
    return f"name-{row_id}-of-a-file-" + "z" * (row_id * 7 % 90) + f"-{row_id}-end"


def _kept_and_deleted(db: sqlite3.Connection, chance: random.Random) -> tuple[list[int], list[int]]:
    """The ids of rows of files that are kept, and of those that are deleted, after some of both."""
    live: list[int] = []
    gone: list[int] = []
    for row_id in range(1, 500):
        columns = "id, file_id, room_id, user_id, name, type, size, width, height, uploaded_ms"
        db.execute(
            f"INSERT INTO files ({columns}) VALUES (?, ?, 1, 1, ?, 'text/plain', 1, 0, 0, 0)",
            (row_id, f"{chance.getrandbits(128):032x}", _name(row_id)),
        )
        live.append(row_id)
        if chance.random() < 0.7:
            db.execute("UPDATE files SET message_id = ? WHERE id = ?", (10**9 + row_id, row_id))
        while live and chance.random() < 0.4:
            gone.append(live.pop(chance.randrange(len(live))))
            db.execute("DELETE FROM files WHERE id = ?", (gone[-1],))
    return live, gone
