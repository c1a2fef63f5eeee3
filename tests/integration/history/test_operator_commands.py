"""`python -m services.history rooms` and `delete-room`, while the service runs or is stopped."""

import asyncio
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from chatterbox.chassis import operator_socket
from chatterbox.wire.errors import Code
from services.history import operator_commands
from tests.support.encryption.member_log_site import MemberLogSite
from tests.support.history import START_MS, Clock, Service, Start, code, until
from tests.support.program import run_service
from tests.support.server import running as running_server


def command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_service("services.history", *arguments, environment={**os.environ, "CHATTERBOX_DATA": str(data)})


async def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(command, data, *arguments)


async def squat(history: Service) -> None:
    """Alice creates the public `ops` with 2 messages and the private `priv`."""
    await history.do("POST", "/rooms", "alice", {"room": "ops"})
    await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
    await history.fill(2, room_id=2)


async def test_rooms_are_listed_with_creator_and_size_while_history_runs(history: Service) -> None:
    await squat(history)
    listed = await run(history.settings.data, "rooms")
    assert listed.stdout.splitlines() == [
        "ROOM     KIND      CREATOR  MEMBERS  MESSAGES  LAST MESSAGE",
        "general  everyone  -        2        0         -",
        "ops      public    alice    1        2         2026-09-21 14:13",
        "priv     private   alice    1        0         -",
    ]


async def test_room_is_deleted_by_the_running_history(history: Service) -> None:
    await squat(history)
    done = await run(history.settings.data, "delete-room", "OPS")
    assert (done.stdout, done.returncode) == ("chatterbox: deleted #ops, which had 2 messages\n", 0)
    assert code(await history.get("/rooms/ops")) == (404, Code.ROOM_UNKNOWN)
    assert (await history.do("POST", "/rooms", "bob", {"room": "ops"})).status_code == 201


async def test_an_encrypted_room_is_deleted_by_its_name(start: Start, clock: Clock) -> None:
    async with start() as history:
        site = MemberLogSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        await site.create()
        listed = await run(history.settings.data, "rooms")
        assert "plans~    private   ada" in listed.stdout
        done = await run(history.settings.data, "delete-room", "Plans~")
        assert (done.stdout, done.returncode) == ("chatterbox: deleted #plans~, which had 0 messages\n", 0)
        await until(lambda: not site.rows("SELECT 1 FROM member_log"))


async def test_members_of_a_room_that_the_operator_deletes_are_told_in_one_process(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        async with server.talker(await server.newcomer("ada")) as ada:
            await ada.ask("create", room="ops")
            assert (await run(tmp_path, "delete-room", "ops")).returncode == 0
            gone = await ada.push("membership", room="ops", member=False)
            assert (gone["by"], gone["deleted"]) == ("the operator", True)


async def test_room_is_deleted_while_history_is_stopped(start: Start) -> None:
    async with start() as history:
        await history.greet("alice")
        await squat(history)
    data = history.settings.data
    assert (await run(data, "delete-room", "ops")).stdout == "chatterbox: deleted #ops, which had 2 messages\n"
    assert "ops" not in (await run(data, "rooms")).stdout
    async with start() as history:
        assert code(await history.get("/rooms/ops")) == (404, Code.ROOM_UNKNOWN)


async def test_deleted_room_with_messages_still_to_be_deleted_is_not_listed(start: Start) -> None:
    async with start() as history:
        await history.greet("alice")
        await squat(history)
    with closing(sqlite3.connect(history.settings.database)) as db, db:  # as the deletion begins; then history ends
        db.execute("UPDATE rooms SET name = '!' || id, private = 1, deleted_ms = 1 WHERE name = 'ops'")
    listed = (await run(history.settings.data, "rooms")).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["ROOM", "general", "priv"]


@pytest.mark.parametrize(
    ("room", "why"),
    [
        ("nowhere", "No room #nowhere."),
        ("general", "Everyone is a member of #general; it can't be deleted."),
        ("!2", "A room name must be"),
    ],
)
@pytest.mark.parametrize("is_running", [True, False])
async def test_refused_operator_command_prints_one_sentence(
    start: Start, room: str, why: str, *, is_running: bool
) -> None:
    async with start() as history:
        if is_running:
            done = await run(history.settings.data, "delete-room", room)
    if not is_running:
        done = await run(history.settings.data, "delete-room", room)
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_without_a_database_is_named(tmp_path: Path) -> None:
    for arguments in (("rooms",), ("delete-room", "ops")):
        done = command(tmp_path, *arguments)
        assert done.returncode == 1
        assert "set CHATTERBOX_DATA" in done.stderr
    assert list(tmp_path.iterdir()) == []


async def test_socket_is_for_the_owner_only_and_goes_with_the_service(start: Start) -> None:
    async with start() as history:
        path = operator_commands.socket_path(history.settings)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for line in (b"", b"{", b"[" * 60_000, b'{"room": 1}'):
            assert b'"problem":' in await operator_socket.ask(path, line)
    assert not path.exists()


async def test_history_serves_without_a_socket_where_none_can_be_created(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "history.sock" / "in the way").mkdir(parents=True)
    async with start() as history:
        await history.greet("alice")
        done = await run(data, "delete-room", "general")
        assert "history is running, but can't be reached" in done.stderr or "does not answer" in done.stderr


class TestEmptyRooms:
    DAY_MS = 24 * 3600 * 1000

    async def _emptied(self, history: Service) -> None:
        """Alice was the last member of `ops`, with 2 messages, and of `bare`, with none."""
        await history.greet("alice", "bob")
        for room in ("ops", "bare"):
            await history.do("POST", "/rooms", "alice", {"room": room})
        await history.fill(2, room_id=2)
        for room in ("ops", "bare"):
            await history.do("DELETE", f"/rooms/{room}/members/me")

    async def _cleaned_up(self, history: Service) -> None:
        """A cleanup deletes the rows of deleted rooms last."""
        await history.do("POST", "/rooms", "bob", {"room": "doomed", "private": True})
        await history.do("DELETE", "/rooms/doomed/members/me?delete=true", "bob")
        await until(lambda: not self._deleted_rooms(history))

    def _deleted_rooms(self, history: Service) -> int:
        with closing(sqlite3.connect(history.settings.database)) as db:
            [(count,)] = db.execute("SELECT count(*) FROM rooms WHERE deleted_ms IS NOT NULL")
            return int(count)

    async def test_public_room_without_messages_ends_with_its_last_member(self, start: Start) -> None:
        async with start() as history:
            await self._emptied(history)
            assert code(await history.get("/rooms/bare")) == (404, Code.ROOM_UNKNOWN)
            assert (await history.get("/rooms/ops")).json()["head"] == 2

    @pytest.mark.parametrize(("days", "status"), [(29.9, 200), (30.1, 404)])
    async def test_public_room_with_messages_ends_30_days_after_its_last_member_left(
        self, start: Start, days: float, status: int
    ) -> None:
        async with start() as history:
            await self._emptied(history)
        history.clock.now = START_MS + int(days * self.DAY_MS)
        async with start() as history:
            await self._cleaned_up(history)
            assert (await history.get("/rooms/ops")).status_code == status

    async def test_room_that_was_joined_again_is_kept(self, start: Start) -> None:
        async with start() as history:
            await self._emptied(history)
            history.clock.now = START_MS + 29 * self.DAY_MS
            await history.do("PUT", "/rooms/ops/members/me", "bob")
        history.clock.now = START_MS + 300 * self.DAY_MS
        async with start() as history:
            await self._cleaned_up(history)
            assert (await history.get("/rooms/ops", "bob")).json()["members"] == 1
