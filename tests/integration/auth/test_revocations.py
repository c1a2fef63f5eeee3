"""The numbered list of revocations: pages, restarts, migration, and a million of them."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import MAX_TOKEN_S
from services.auth.auth_database import MIGRATIONS, database_path
from services.auth.restore import restore
from services.auth.sessions import login_sessions, session_table
from services.auth.sessions.session_table import CLOCK_ERROR_S
from tests.support.auth_site import START_S, AuthSite, bearing, refusal, revoked, running, sid_of

MANY = 1_000_000
LONGEST_S = 2.5
"""Room for a slow machine."""
BEFORE_REVOCATIONS = 2
"""The schema version in which ended sessions stood among the others."""


async def log_out(site: AuthSite, *tokens: str) -> list[str]:
    for token in tokens:
        await site.http.post("/logout", headers=bearing(token))
    return [sid_of(token) for token in tokens]


async def logins(site: AuthSite, count: int) -> list[str]:
    return [await site.registered(), *[await site.login() for _ in range(count - 1)]]


async def test_revocations_are_listed_in_the_order_in_which_the_sessions_ended(site: AuthSite) -> None:
    first, second, third = await logins(site, 3)
    sids = await log_out(site, second, third, first)
    assert await revoked(site) == sids


async def test_only_revocations_after_the_given_number_are_listed(site: AuthSite) -> None:
    first, second = await logins(site, 2)
    await log_out(site, first)
    page = await site.internal.revocations("", 0)
    await log_out(site, second)
    later = await site.internal.revocations(page.epoch, page.upto)
    assert (later.sids, later.is_last) == ([sid_of(second)], True)
    nothing = await site.internal.revocations(page.epoch, later.upto)
    assert (nothing.sids, nothing.upto, nothing.is_last) == ([], later.upto, True)


@pytest.mark.parametrize("per_page", [1, 2, 3, 4])
async def test_a_long_list_of_revocations_is_answered_in_bounded_pages(
    site: AuthSite, per_page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_sessions, "REVOCATIONS_PER_PAGE", per_page)
    sids = await log_out(site, *await logins(site, 4))
    assert len((await site.internal.revocations("", 0)).sids) == per_page
    assert await revoked(site) == sids


@pytest.mark.parametrize("query", ["since=-1", "since=x", f"since={10**16}", "since=1e3"])
async def test_a_malformed_revocation_number_gets_422(site: AuthSite, query: str) -> None:
    assert refusal(await site.internal_http.get(f"/internal/revocations?{query}")) == (422, "bad_request")


async def test_a_restarted_auth_answers_from_the_first_revocation(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        sids = await log_out(site, *await logins(site, 2))
        before = await site.internal.revocations("", 0)
    async with running(tmp_path) as site:
        after = await site.internal.revocations(before.epoch, before.upto)
        assert after.epoch != before.epoch
        assert after.sids == sids


async def test_a_service_notices_that_the_database_was_replaced_by_an_older_one(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy.sqlite"
    async with running(data) as site:
        first, second, third = await logins(site, 3)
        await log_out(site, first)
        with contextlib.closing(sqlite3.connect(database_path(data))) as database:
            database.execute("VACUUM INTO ?", (str(copy),))
        await log_out(site, second)
        verifier = TokenVerifier(site.internal.jwks, site.clock)
        services_list = RevokedSessions(verifier, site.internal, MemoryBroker(), reload_s=5)
        await services_list.load()
    copy.replace(database_path(data))
    async with running(data) as site:
        await log_out(site, third)  # it has the number that the second one had
        services_list._auth = site.internal  # the service reaches the restarted auth at the same address
        await services_list.load()
        assert all(verifier.is_revoked(sid_of(token)) for token in (first, second, third))


async def test_numbers_of_forgotten_revocations_are_not_used_again(site: AuthSite) -> None:
    await log_out(site, *await logins(site, 2))
    page = await site.internal.revocations("", 0)
    site.clock.now += MAX_TOKEN_S + CLOCK_ERROR_S + 1
    await site.auth.sessions.delete_expired()
    ended = await log_out(site, await site.login())
    later = await site.internal.revocations(page.epoch, page.upto)
    assert later.sids == ended
    assert later.upto > page.upto


async def test_expired_revocations_are_deleted_in_bounded_transactions(
    site: AuthSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_table, "DELETED_AT_ONCE", 3)
    await asyncio.to_thread(_fill, site.data, [START_S - CLOCK_ERROR_S] * 10 + [START_S + 60])
    await site.auth.sessions.delete_expired()
    assert await site.auth.database.rows("SELECT rev FROM revocations") == [(11,)]


async def test_a_logout_need_not_wait_for_the_deletion_of_many_revocations(
    site: AuthSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_table, "DELETED_AT_ONCE", 100)
    token = await site.registered()
    await asyncio.to_thread(_fill, site.data, [START_S - CLOCK_ERROR_S] * 20_000)
    deletion = asyncio.create_task(site.auth.sessions.delete_expired())
    await log_out(site, token)
    assert not deletion.done()
    assert refusal(await site.sessions(token)) == (401, "session_ended")
    await deletion
    assert await revoked(site) == [sid_of(token)]


async def test_sessions_ended_before_the_upgrade_stay_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        ended, token = await logins(site, 2)
        await log_out(site, ended)
    await _downgrade(tmp_path, sid_of(ended))
    async with running(tmp_path) as site:
        assert await revoked(site) == [sid_of(ended)]
        assert refusal(await site.sessions(ended)) == (401, "session_ended")
        assert (await site.sessions(token)).status_code == 200


async def test_a_backup_from_before_the_upgrade_can_be_restored(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        ended = await site.registered()
        await log_out(site, ended)
    await _downgrade(tmp_path, sid_of(ended))
    database_path(tmp_path).rename(tmp_path / "old.sqlite")
    restore(database_path(tmp_path), tmp_path / "old.sqlite")
    async with running(tmp_path) as site:
        assert (await site.try_login()).status_code == 200


async def _downgrade(data: Path, ended: str) -> None:
    """Rewrite the database as the version before wrote it."""
    new, old = database_path(data), data / "old.sqlite"
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as database:
        for script in MIGRATIONS[:BEFORE_REVOCATIONS]:
            database.executescript(script)
        database.execute("ATTACH ? AS new", (str(new),))
        database.executescript(f"""
            INSERT INTO users SELECT * FROM new.users;
            INSERT INTO sessions SELECT id, user_id, created, expires, NULL, user_agent FROM new.sessions;
            INSERT INTO sessions SELECT sid, 1, expires - 60, expires, expires - 30, '' FROM new.revocations
                WHERE sid = '{ended}';
            PRAGMA user_version = {BEFORE_REVOCATIONS};
        """)
    old.replace(new)


def _fill(data: Path, expires: Sequence[float]) -> None:
    """Insert revocations with these times of expiry into the database of a running auth."""
    with contextlib.closing(sqlite3.connect(database_path(data))) as database, database:
        rows = ((f"{number:032x}", int(expires_s)) for number, expires_s in enumerate(expires))
        database.executemany("INSERT INTO revocations (sid, expires) VALUES (?, ?)", rows)


@pytest.mark.timing
async def test_with_a_million_ended_sessions_auth_starts_and_a_service_loads_all_at_once(tmp_path: Path) -> None:
    """In CPU time, as other programs on the machine don't count. The promised second each is measured in `bench`."""
    async with running(tmp_path):
        await asyncio.to_thread(_fill, tmp_path, [START_S + MAX_TOKEN_S] * MANY)
    began_s = time.process_time()
    async with running(tmp_path) as site:
        started_s = time.process_time()
        verifier = TokenVerifier(site.internal.jwks, site.clock)
        async with _turns() as turns:
            await RevokedSessions(verifier, site.internal, MemoryBroker(), reload_s=5).load()
        loaded_s = time.process_time()
    assert verifier.revocations == MANY
    assert started_s - began_s < LONGEST_S
    assert loaded_s - started_s < LONGEST_S
    assert max(turns) < 0.05


@asynccontextmanager
async def _turns() -> AsyncIterator[list[float]]:
    """The CPU time of the event loop's thread between two looks, at least a millisecond apart (seconds)."""
    turns: list[float] = []

    async def watch() -> None:
        before_s = time.thread_time()
        while True:
            await asyncio.sleep(0.001)  # fixed: the interval of the measurement
            now_s = time.thread_time()
            turns.append(now_s - before_s)
            before_s = now_s

    watching = asyncio.create_task(watch())
    try:
        yield turns
    finally:
        watching.cancel()
