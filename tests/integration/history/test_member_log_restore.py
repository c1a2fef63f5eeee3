"""After a backup of the server is restored: members send the entries of member logs again that it lacks."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.wire.encryption.key_api import MAX_RESTORED_ENTRIES
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind
from chatterbox.wire.errors import Code
from services.history.restore import restore
from services.history.schema import SCHEMA
from tests.support.encryption.member_log_site import ROOM, MemberLogSite
from tests.support.encryption.signed_entries import SignedLog
from tests.support.history import Clock, Start, code


async def send_again(site: MemberLogSite, entries: Sequence[MemberEntry], user: str = "ada") -> httpx.Response:
    body = {"entries": msgspec.to_builtins(entries)}
    return await site.history.do("POST", f"/rooms/{ROOM}/member-log", user, body)


@pytest.fixture
async def lost(start: Start, clock: Clock, tmp_path: Path) -> AsyncIterator[MemberLogSite]:
    """A server whose backup has bob and eve in the room. Since then eve was removed, and zoe was invited and joined."""
    async with start() as history:
        site = MemberLogSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        await site.create()
        await site.enter("bob")
        await site.enter("eve")
        backup(history.settings.database, tmp_path / "copy")
        await site.remove("eve", site.log.remove(site.signer("ada"), site.signer("eve")))
        await site.enter("zoe")
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        site.history, site.store = history, history.app.context.device_messages._store
        yield site


async def test_the_log_is_what_the_backup_has(lost: MemberLogSite) -> None:
    assert lost.stored() == lost.log.entries[:3]
    assert await lost.members() == ["ada", "bob", "eve"]


async def test_any_member_sends_lost_entries_again_and_they_take_effect(lost: MemberLogSite) -> None:
    before = (await lost.recipients()).recipients
    answer = await send_again(lost, lost.log.entries[1:], "bob")
    assert answer.json() == {"log": 5}
    assert lost.stored() == lost.log.entries
    assert await lost.members() == ["ada", "bob"]
    assert (await lost.recipients()).closed_at == before + 1
    await lost.join("zoe")  # whose invitation is pending again
    await lost.enter("eve")
    assert lost.stored() == lost.log.entries
    with closing(sqlite3.connect(lost.history.settings.database)) as db:
        assert db.execute(SCHEMA.violations).fetchall() == []


async def test_sending_them_twice_changes_nothing(lost: MemberLogSite) -> None:
    await send_again(lost, lost.log.entries[3:])
    version = lost.rows("SELECT recipients FROM rooms WHERE name = ?", ROOM)
    assert (await send_again(lost, lost.log.entries, "bob")).json() == {"log": 5}
    assert lost.rows("SELECT recipients FROM rooms WHERE name = ?", ROOM) == version


async def test_only_signed_entries_that_follow_are_taken(lost: MemberLogSite) -> None:
    ada, bob, eve = (lost.signer(name) for name in ("ada", "bob", "eve"))
    at_backup = lost.log.copy()
    del at_backup.entries[3:]
    forged = at_backup.next(bob, kind=MemberEntryKind.REMOVE, member=eve.member)
    unsigned = msgspec.structs.replace(lost.log.entries[3], signatures={})
    after = SignedLog(ROOM, lost.log.entries[:4]).next(bob, kind=MemberEntryKind.REMOVE, member=ada.member)
    other = at_backup.next(ada, kind=MemberEntryKind.REMOVE, member=bob.member)
    for entries, refused in (
        ([forged], (422, Code.MEMBER_ENTRY_INVALID)),
        ([unsigned], (422, Code.MEMBER_ENTRY_INVALID)),
        (lost.log.entries[4:], (409, Code.MEMBER_LOG_STALE)),
        ([lost.log.entries[3], after], (422, Code.MEMBER_ENTRY_INVALID)),
    ):
        assert code(await send_again(lost, entries)) == refused
    assert code(await send_again(lost, lost.log.entries, "zoe")) == (404, Code.ROOM_UNKNOWN)
    assert lost.stored() == lost.log.entries[:3]
    await lost.remove("bob", other)
    assert code(await send_again(lost, lost.log.entries)) == (409, Code.MEMBER_LOG_STALE)


async def test_a_request_has_a_maximum_number_of_entries(lost: MemberLogSite) -> None:
    too_many = [lost.log.entries[0]] * (MAX_RESTORED_ENTRIES + 1)
    assert code(await send_again(lost, too_many)) == (422, Code.BAD_REQUEST)


async def test_a_removed_member_may_send_the_entry_that_removes_them(lost: MemberLogSite) -> None:
    assert (await send_again(lost, lost.log.entries[3:], "eve")).json() == {"log": 5}
    assert await lost.members() == ["ada", "bob"]


async def test_a_server_that_was_never_restored_takes_none(start: Start, clock: Clock) -> None:
    async with start() as history:
        site = MemberLogSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        await site.create()
        await site.enter("bob")
        entry = site.log.invite(site.signer("ada"), site.signer("eve"))
        assert code(await send_again(site, [entry], "bob")) == (403, Code.NOT_ALLOWED)
        assert (await send_again(site, site.log.entries[:2], "bob")).json() == {"log": 2}
        assert code(await history.do("POST", "/rooms/general/member-log", "ada", {"entries": []})) == (
            409,
            Code.ROOM_NOT_ENCRYPTED,
        )
