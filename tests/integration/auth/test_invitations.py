"""Who may register: everyone, those with an invitation code, or no one."""

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.invitations import DAYS, create_code, read_code
from services.auth.users.code_keys import invitation_key
from tests.integration.auth.test_commands import command
from tests.support.auth_site import PASSWORD, START_S, AuthSite, refusal, running

KEY = b"k" * 32
DAY_S = 86_400


def new_code(data: Path, nonce: bytes = b"12345", now_s: float = START_S) -> str:
    return create_code(invitation_key(data), nonce, now_s)


async def register(site: AuthSite, name: str, code: str | None) -> tuple[int, str]:
    body = {"username": name, "password": PASSWORD} | ({} if code is None else {"code": code})
    response = await site.http.post("/register", json=body)
    return (201, "") if response.status_code == 201 else refusal(response)


async def test_closed_registration_refuses_everyone(tmp_path: Path) -> None:
    async with running(tmp_path, registration="closed") as site:
        assert await register(site, "alice", None) == (403, "registration_closed")
        assert await register(site, "alice", new_code(tmp_path)) == (403, "registration_closed")


async def test_an_invitation_code_registers_one_account(tmp_path: Path) -> None:
    async with running(tmp_path, registration="invite") as site:
        code = new_code(tmp_path)
        assert await register(site, "alice", code) == (201, "")
        assert await register(site, "bob", code) == (403, "invitation_invalid")
        assert (await site.try_login()).status_code == 200
    async with running(tmp_path, registration="invite") as site:
        assert await register(site, "bob", code) == (403, "invitation_invalid")


async def test_an_invitation_code_used_twice_at_once_registers_one_account(tmp_path: Path) -> None:
    async with running(tmp_path, registration="invite") as site:
        code = new_code(tmp_path)
        results = await asyncio.gather(*(register(site, f"user{number}", code) for number in range(4)))
    assert sorted(results) == [(201, ""), *[(403, "invitation_invalid")] * 3]


async def test_a_refused_name_does_not_use_up_the_invitation_code(tmp_path: Path) -> None:
    async with running(tmp_path, registration="invite") as site:
        assert await register(site, "alice", new_code(tmp_path)) == (201, "")
        code = new_code(tmp_path, b"other")
        assert await register(site, "Alice", code) == (409, "username_taken")
        assert await register(site, "bob", code) == (201, "")


@pytest.mark.parametrize("code", [None, "", "nonsense", "ä", "aaaa-bbbb-cccc-dddd-eeee-ffff", "\x00", "a" * 1000])
async def test_registration_with_a_code_that_was_not_issued_is_refused(tmp_path: Path, code: str | None) -> None:
    async with running(tmp_path, registration="invite") as site:
        assert await register(site, "alice", code) == (403, "invitation_invalid")


async def test_a_server_with_open_registration_ignores_invitation_codes(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        assert await register(site, "alice", "nonsense") == (201, "")


async def test_invite_prints_a_code_that_the_running_server_accepts(tmp_path: Path) -> None:
    async with running(tmp_path, registration="invite") as site:
        done = command(tmp_path, "invite", CHATTERBOX_REGISTRATION="invite")
        assert (done.returncode, done.stderr) == (0, "")
        assert "CHATTERBOX_REGISTRATION=invite" in command(tmp_path, "invite").stderr
        site.clock.now = time.time()
        assert await register(site, "alice", done.stdout.strip().upper()) == (201, "")
    assert (tmp_path / "invitations.key").stat().st_mode & 0o777 == 0o600


def test_an_invitation_code_is_valid_for_a_week() -> None:
    code = create_code(KEY, b"12345", START_S)
    assert read_code(KEY, code, START_S + DAYS * DAY_S) is not None
    assert read_code(KEY, code, START_S + (DAYS + 1) * DAY_S) is None


@given(position=st.integers(0, 23), letter=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_an_invitation_code_with_one_other_letter_is_invalid(position: int, letter: str) -> None:
    code = create_code(KEY, b"12345", START_S).replace("-", "")
    other = code[:position] + letter + code[position + 1 :]
    assert (read_code(KEY, other, START_S) is not None) == (other == code)
