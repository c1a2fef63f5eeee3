"""A data folder that can't be used is refused in a sentence, by the services as processes; a full disk is outlived."""

import asyncio
import contextlib
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.failed_starts import KEY, Attempt, attempt, fill, small_disk
from tests.support.loopback import NO_TLS
from tests.support.process import Process, process
from tests.support.server import PASSWORD
from tests.support.talker import Talker

STORES = ("auth", "history")
DISK_BYTES = 3_000_000


async def start(service: str, data: Path, *, powerless: bool = False) -> Attempt:
    arguments = () if service == "allinone" else ("serve",)
    return await attempt(service, data, *arguments, powerless=powerless, CHATTERBOX_SERVICE_KEY=KEY)


@contextlib.contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a Chatterbox with one user, which was stopped."""
    data = tmp_path_factory.mktemp("stopped") / "data"

    async def make() -> None:
        async with process(data) as server:
            await server.newcomer("ada")
            await server.signal(signal.SIGTERM)

    asyncio.run(make())
    return data


@pytest.fixture
def data(stopped: Path, tmp_path: Path) -> Path:
    """A copy of that data."""
    return shutil.copytree(stopped, tmp_path / "data")


def change(database: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(script)


class TestUnwritableFolder:
    @pytest.mark.parametrize("service", [*STORES, "allinone"])
    async def test_an_unwritable_data_folder_is_named_with_its_setting(self, tmp_path: Path, service: str) -> None:
        (tmp_path / "data").mkdir()
        with mode(tmp_path / "data", 0o500):
            said = (await start(service, tmp_path / "data", powerless=True)).sentence
        assert said.startswith(f"can't use {tmp_path / 'data'}")
        assert "(Permission denied)" in said
        assert said.endswith("make it owned by the user who runs Chatterbox, or set CHATTERBOX_DATA to another folder")

    @pytest.mark.parametrize("service", STORES)
    async def test_a_read_only_data_folder_with_writable_files_is_refused(self, data: Path, service: str) -> None:
        with mode(data, 0o500):
            assert (await start(service, data, powerless=True)).sentence.startswith(f"can't use {data} for data")

    @pytest.mark.parametrize("service", STORES)
    @pytest.mark.parametrize("bits", [0o000, 0o444])
    async def test_a_read_only_database_file_is_refused(self, data: Path, service: str, bits: int) -> None:
        with mode(data / f"{service}.sqlite", bits):
            said = (await start(service, data, powerless=True)).sentence
        assert said.startswith(f"can't use {data / service}.sqlite for data (Permission denied)")

    async def test_unreadable_signing_keys_are_refused_and_not_replaced(self, data: Path) -> None:
        (key,) = (data / "auth-keys").iterdir()
        with mode(key, 0o000):
            refused = await start("auth", data, powerless=True)
        assert refused.status != 0
        assert f"no key in {data / 'auth-keys'} can be read" in refused.said
        assert list((data / "auth-keys").iterdir()) == [key]


@pytest.mark.parametrize("service", STORES)
class TestUnsupportedDatabase:
    async def test_a_database_of_a_newer_version_is_refused_unchanged(self, data: Path, service: str) -> None:
        database = data / f"{service}.sqlite"
        change(database, "PRAGMA user_version=99")
        before = database.read_bytes()
        said = (await start(service, data)).sentence
        reason = "was written by a newer version of Chatterbox (schema version 99; this one supports up"
        assert said.startswith(f"{database} {reason}")
        assert "restore a backup from before the upgrade" in said
        assert database.read_bytes() == before

    async def test_a_database_of_another_program_is_refused(self, data: Path, service: str) -> None:
        database = data / f"{service}.sqlite"
        database.unlink()
        change(database, "CREATE TABLE theirs (x)")
        said = (await start(service, data)).sentence
        assert said == f"{database} is the database of another program; set CHATTERBOX_DATA to another folder"

    @pytest.mark.parametrize("content", [b"not a database" * 1000, None], ids=["text", "half"])
    async def test_a_damaged_database_is_refused_with_advice_to_restore_a_backup(
        self, data: Path, service: str, content: bytes | None
    ) -> None:
        database = data / f"{service}.sqlite"
        whole = database.read_bytes()
        database.write_bytes(content or whole[: len(whole) // 2])
        assert (await start(service, data)).sentence.endswith("restore a backup")

    async def test_a_damaged_name_of_a_column_is_refused_with_advice_to_restore_a_backup(
        self, data: Path, service: str
    ) -> None:
        database = data / f"{service}.sqlite"
        table, column = {"auth": ("users", "capital_key"), "history": ("rooms", "topic")}[service]
        change(database, f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_")
        assert (await start(service, data)).sentence == f"{database} is damaged; restore a backup"

    async def test_a_data_folder_in_use_is_refused(self, data: Path, service: str) -> None:
        async with process(data):
            said = (await start(service, data)).sentence
        assert said == f"another Chatterbox runs on {data}; stop it, or set CHATTERBOX_DATA to another folder"


class TestFullDisk:
    @pytest.mark.parametrize("service", [*STORES, "allinone"])
    async def test_a_first_start_on_a_full_disk_is_refused(self, tmp_path: Path, service: str) -> None:
        with small_disk(tmp_path / "disk", 65_536) as disk:
            fill(disk)
            said = (await start(service, disk / "data")).sentence
            assert said.startswith(f"the disk that holds {disk}")
            assert said.endswith("is full; free space on it")

    @pytest.mark.parametrize("service", STORES)
    async def test_a_first_start_on_a_too_small_disk_is_refused(self, tmp_path: Path, service: str) -> None:
        with small_disk(tmp_path / "disk", 32_768) as disk:
            refused = await start(service, disk / "data")
            assert refused.status != 0
            assert "is full; free space on it" in refused.said
            assert "Traceback" not in refused.said

    async def test_writes_are_refused_on_a_full_disk_and_work_when_space_is_freed(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
            async with process(disk) as server:
                token = await server.newcomer("ada")
                async with server.talker(token) as ada:
                    filler = fill(disk)
                    assert await _until_refused(ada) == "unavailable"
                    assert await _status_of_login(server) == 503
                    await ada.ask("history", room="general")  # reading goes on
                    filler.unlink()
                    assert (await ada.send("there is room again"))["type"] == "sent"
                await server.newcomer("bob")
            said = server.log.read_text()
            assert said.count("history.writer disk.full") == 1
            assert said.count("auth.database disk.full") == 1
            assert "Traceback" not in said

    async def test_a_restart_on_a_full_disk_without_reserve_is_refused_and_loses_nothing(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
            async with process(disk) as server:
                token = await server.newcomer("ada")
                async with server.talker(token) as ada:
                    await ada.send("from before")
                await server.signal(signal.SIGTERM)
                for ballast in disk.glob("*.ballast"):
                    ballast.unlink()
                filler = fill(disk)
                assert (await start("allinone", disk)).sentence.endswith("is full; free space on it")
                filler.unlink()
                await server.start()
                async with server.talker(token) as ada:
                    assert "from before" in str(await ada.ask("history", room="general"))


async def _until_refused(talker: Talker) -> str:
    """What was not full when the disk was (a page, a log) is filled first."""
    for number in range(200):
        reply = await talker.send("x" * 4000, key=f"k{number}")
        if reply["type"] != "sent":
            return str(reply["code"])
    return "never"


async def _status_of_login(server: Process) -> int:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as http:
        answers = [await http.post("/login", json={"username": "ada", "password": PASSWORD}) for _ in range(2)]
        return answers[-1].status_code
