"""Passwords reset with a one-time code that the operator creates."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.auth_database import database_path
from services.auth.restore import restore
from services.auth.rules.reset_codes import VALID_S, ReplacedPassword, create_code, is_valid
from services.auth.users.code_keys import reset_key
from tests.integration.auth.test_commands import command
from tests.support.auth_site import PASSWORD, START_S, AuthSite, bearing, refusal, running, sid_of

NEW = "violet-harbour"
KEY = b"k" * 32
FIRST = ReplacedPassword(1, 1)
REFUSED = (403, "reset_code_invalid")


def new_code(site: AuthSite, replaced: ReplacedPassword = FIRST) -> str:
    return create_code(reset_key(site.data), replaced, site.clock())


async def reset(site: AuthSite, code: str, username: str = "alice", new: str = NEW) -> httpx.Response:
    return await site.http.post("/password/reset", json={"username": username, "code": code, "new": new})


async def test_a_reset_code_sets_a_new_password_without_the_old_one(site: AuthSite) -> None:
    await site.register()
    response = await reset(site, new_code(site))
    assert (response.status_code, response.json()) == (200, {"message": "Password changed, all sessions terminated"})
    assert (await site.try_login("alice", NEW)).status_code == 200
    assert refusal(await site.try_login("alice", PASSWORD)) == (401, "credentials_invalid")


async def test_a_reset_ends_every_session(site: AuthSite) -> None:
    tokens = [await site.registered(), await site.login()]
    await reset(site, new_code(site))
    for token in tokens:
        assert refusal(await site.sessions(token)) == (401, "session_ended")
    assert sorted(site.revoked) == sorted(map(sid_of, tokens))


async def test_a_reset_code_works_once(site: AuthSite) -> None:
    await site.register()
    code = new_code(site)
    assert (await reset(site, code)).status_code == 200
    assert refusal(await reset(site, code, new="another-harbour")) == REFUSED
    assert (await site.try_login("alice", NEW)).status_code == 200


async def test_a_reset_code_used_twice_at_once_works_once(site: AuthSite) -> None:
    await site.register()
    code = new_code(site)
    results = await asyncio.gather(*(reset(site, code, new=f"harbour number {number}") for number in range(3)))
    assert sorted(result.status_code for result in results) == [200, 403, 403]


async def test_a_password_change_invalidates_an_unused_reset_code(site: AuthSite) -> None:
    token = await site.registered()
    code = new_code(site)
    await site.http.post("/password", json={"old": PASSWORD, "new": NEW}, headers=bearing(token))
    assert refusal(await reset(site, code)) == REFUSED


@pytest.mark.parametrize(("after_s", "is_accepted"), [(VALID_S, True), (VALID_S + 60, False)])
async def test_a_reset_code_expires_after_an_hour(site: AuthSite, after_s: int, is_accepted: bool) -> None:
    await site.register()
    code = new_code(site)
    site.clock.now += after_s
    assert ((await reset(site, code)).status_code == 200) == is_accepted


@pytest.mark.parametrize("code", ["", "nonsense", "ä", "aaaa-bbbb-cccc-dddd-eeee-ffff", "\x00", "a" * 1000])
async def test_a_reset_code_that_was_not_issued_is_refused(site: AuthSite, code: str) -> None:
    await site.register()
    assert refusal(await reset(site, code)) == REFUSED


async def test_the_reset_code_of_another_user_is_refused(site: AuthSite) -> None:
    await site.register()
    await site.register("mallory")
    assert refusal(await reset(site, new_code(site, ReplacedPassword(2, 1)))) == REFUSED


async def test_an_unknown_user_gets_the_same_answer_as_a_wrong_code(site: AuthSite) -> None:
    await site.register()
    code = new_code(site, ReplacedPassword(0, 0))
    unknown, wrong = await reset(site, code, "nobody1"), await reset(site, code)
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)


async def test_a_banned_user_cannot_reset_the_password(site: AuthSite) -> None:
    await site.register()
    await site.internal_http.post("/internal/ban", json={"username": "alice"})
    assert refusal(await reset(site, new_code(site))) == REFUSED


async def test_an_unacceptable_new_password_does_not_use_up_the_code(site: AuthSite) -> None:
    await site.register()
    code = new_code(site)
    assert refusal(await reset(site, code, new="password")) == (422, "password_invalid")
    assert (await reset(site, code)).status_code == 200


async def test_guesses_at_a_reset_code_are_throttled_like_passwords(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures=3) as site:
        await site.register()
        answers = [refusal(await reset(site, "aaaa-bbbb-cccc-dddd-eeee-ffff")) for _ in range(4)]
        assert answers == [REFUSED] * 3 + [(429, "login_throttled")]
        assert refusal(await site.try_login()) == (429, "login_throttled")


async def test_resets_count_as_logins_of_the_account(tmp_path: Path) -> None:
    async with running(tmp_path, logins_burst=1) as site:
        await site.register()
        assert (await reset(site, new_code(site))).status_code == 200
        assert refusal(await reset(site, new_code(site, ReplacedPassword(1, 2)))) == (429, "rate_limited")


async def test_reset_prints_a_code_that_the_running_server_accepts(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.register("Alice")
        done = command(tmp_path, "reset", "ALICE")
        assert done.returncode == 0, done.stderr
        assert "Alice" in done.stderr
        assert "chatterbox passwd --code" in done.stderr
        site.clock.now = time.time()
        assert (await reset(site, done.stdout.strip().upper())).status_code == 200
    assert (tmp_path / "resets.key").stat().st_mode & 0o777 == 0o600


async def test_reset_of_an_unknown_user_prints_no_code(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.register()
        done = command(tmp_path, "reset", "nobody1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No user with that name" in done.stderr


def test_reset_in_an_empty_folder_names_the_setting(tmp_path: Path) -> None:
    done = command(tmp_path / "nothing", "reset", "alice")
    assert (done.returncode, done.stdout) == (1, "")
    assert "CHATTERBOX_DATA" in done.stderr


async def test_a_used_reset_code_stays_used_after_a_restored_backup(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.register()
        code = new_code(site)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(database_path(tmp_path).read_bytes())
    async with running(tmp_path) as site:
        assert (await reset(site, code)).status_code == 200
    restore(database_path(tmp_path), copy)
    async with running(tmp_path) as site:
        assert refusal(await reset(site, code)) == REFUSED


@given(position=st.integers(0, 23), letter=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_reset_code_with_one_other_letter_is_invalid(position: int, letter: str) -> None:
    code = create_code(KEY, FIRST, START_S).replace("-", "")
    other = code[:position] + letter + code[position + 1 :]
    assert is_valid(KEY, other, FIRST, START_S) == (other == code)
