"""Backup, restore and verification of all databases, as commands of the single process."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
from pathlib import Path

import httpx

from tests.support.loopback import NO_TLS
from tests.support.process import process
from tests.support.program import run_service
from tests.support.server import PASSWORD
from tests.support.talker import contents


async def command(data: Path, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "CHATTERBOX_DATA": str(data)}
    done = await asyncio.to_thread(run_service, "services.allinone", *words, environment=environment)
    return done.returncode, done.stdout + done.stderr


async def test_restoring_a_backup_taken_while_running_starts_new_epochs(tmp_path: Path) -> None:
    data, copies = tmp_path / "data", tmp_path / "copies"
    async with process(data) as server:
        token = await server.newcomer("alice")
        async with server.talker(token) as alice:
            held = (await alice.send("before", key="k1"))["at"]
            assert await command(data, "backup", str(copies)) == (0, f"chatterbox: {data} copied to {copies}\n")
            await alice.send("after", key="k2")
        databases = dict.fromkeys(("auth.sqlite", "files.sqlite", "history.sqlite"), 0o600)
        modes = {copy.name: stat.S_IMODE(copy.stat().st_mode) for copy in copies.iterdir()}
        assert modes == {**databases, "files": 0o700}
        status, said = await command(data, "restore", str(copies))
        assert (status, "another Chatterbox runs on" in said) == (1, True)
        await server.signal(signal.SIGTERM)
        status, said = await command(data, "restore", str(copies))
        assert status == 0, said
    async with process(data) as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as http:
            old = await http.get("/messages", headers={"Authorization": f"Bearer {token}"})
            assert old.json()["code"] == "token_invalid"
            login = await http.post("/login", json={"username": "alice", "password": PASSWORD})
        talker = server.talker(login.json()["token"])
        talker._how, talker._resume = "frame", {"general": held}
        async with talker as alice:
            assert alice.welcome["rooms"][0]["reset"]
            page = await alice.ask("history")
            assert contents(page["messages"]) == ["before"]
            assert page["messages"][0]["at"]["epoch"] != held["epoch"]


async def test_restoring_a_folder_without_a_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    data, empty = tmp_path / "data", tmp_path / "empty"
    empty.mkdir()
    status, said = await command(data, "restore", str(empty))
    assert (status, said.count("\n")) == (1, 1)
    assert "has no auth.sqlite and no history.sqlite" in said


async def test_verify_reports_damage_with_and_without_a_running_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with process(data) as server:
        await server.newcomer("alice")
        fine = "chatterbox: auth.sqlite and history.sqlite and files.sqlite have no detectable damage\n"
        assert await command(data, "verify") == (0, fine)
        await server.signal(signal.SIGTERM)
    assert await command(data, "verify") == (0, fine)
    with contextlib.closing(sqlite3.connect(data / "history.sqlite")) as connection, connection:
        connection.execute("UPDATE rooms SET head = 7")
    status, said = await command(data, "verify")
    assert (status, said) == (1, f"chatterbox: {data / 'history.sqlite'} is damaged; restore a backup\n")


def test_verify_without_a_database_names_the_setting(tmp_path: Path) -> None:
    status, said = asyncio.run(command(tmp_path, "verify"))
    assert status == 1
    assert "CHATTERBOX_DATA" in said
    assert not list(tmp_path.iterdir())
