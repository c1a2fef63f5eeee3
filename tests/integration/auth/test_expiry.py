"""The leeway after a token's expiry: until it is over, a session can be ended by every means, and stays ended."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import LEEWAY_S
from chatterbox.wire.errors import ChatError
from tests.support.auth_site import PASSWORD, AuthSite, bearing, refusal, revoked, running, sid_of

TOKEN_S = 600
OFFSETS_S = range(-1, LEEWAY_S + 2)
"""Seconds after the token's expiry."""

End = Callable[[AuthSite, str, str], Awaitable[object]]
"""Ends the session of the first token; the second token, of another session, is valid."""


async def log_out(site: AuthSite, token: str, other: str) -> None:
    await site.http.post("/logout", headers=bearing(token))


async def end_from_another_session(site: AuthSite, token: str, other: str) -> None:
    await site.http.delete(f"/sessions/{sid_of(token)}", headers=bearing(other))


async def log_out_everywhere(site: AuthSite, token: str, other: str) -> None:
    await site.http.delete("/sessions", headers=bearing(other))


async def change_password(site: AuthSite, token: str, other: str) -> None:
    body = {"old": PASSWORD, "new": "violet-harbour"}
    assert (await site.http.post("/password", json=body, headers=bearing(other))).status_code == 200


async def ban(site: AuthSite, token: str, other: str) -> None:
    assert (await site.internal_http.post("/internal/ban", json={"username": "alice"})).status_code == 200


async def exceed_the_session_limit(site: AuthSite, token: str, other: str) -> None:
    await site.login()


async def outdated(site: AuthSite, offset_s: int) -> tuple[str, str]:
    """A token that expired `offset_s` ago, and the valid token of a later session."""
    token = await site.registered()
    site.clock.now += TOKEN_S / 2
    other = await site.login()
    site.clock.now += TOKEN_S / 2 + offset_s
    return token, other


async def is_accepted_elsewhere(site: AuthSite, token: str) -> bool:
    """Whether a service that has just loaded the revocations accepts the token."""
    verifier = TokenVerifier(site.internal.jwks, site.clock, site.clock)
    verifier.revoke(await revoked(site))
    try:
        await verifier.verify(token)
    except ChatError:
        return False
    return True


@pytest.mark.parametrize("offset_s", OFFSETS_S)
async def test_auth_and_verifiers_accept_a_token_until_the_same_second(tmp_path: Path, offset_s: int) -> None:
    async with running(tmp_path, token_s=TOKEN_S) as site:
        token, _ = await outdated(site, offset_s)
        accepted = (await site.sessions(token)).status_code == 200
        assert accepted == await is_accepted_elsewhere(site, token) == (offset_s < LEEWAY_S)
        assert ((await site.http.post("/renew", headers=bearing(token))).status_code == 200) == accepted


@pytest.mark.parametrize("offset_s", OFFSETS_S)
async def test_a_session_is_listed_as_long_as_its_token_is_accepted(tmp_path: Path, offset_s: int) -> None:
    async with running(tmp_path, token_s=TOKEN_S) as site:
        token, other = await outdated(site, offset_s)
        listed = {session["id"] for session in (await site.sessions(other)).json()}
        assert (sid_of(token) in listed) == (offset_s < LEEWAY_S)


@pytest.mark.parametrize("offset_s", OFFSETS_S)
@pytest.mark.parametrize(
    "end",
    [log_out, end_from_another_session, log_out_everywhere, change_password, ban, exceed_the_session_limit],
    ids=lambda end: end.__name__,
)
async def test_an_ended_session_is_accepted_nowhere_and_not_renewed(tmp_path: Path, end: End, offset_s: int) -> None:
    async with running(tmp_path, token_s=TOKEN_S, sessions_per_user=2) as site:
        token, other = await outdated(site, offset_s)
        await end(site, token, other)
        assert not await is_accepted_elsewhere(site, token)
        assert refusal(await site.sessions(token))[0] == 401
        assert refusal(await site.http.post("/renew", headers=bearing(token)))[0] == 401
        if offset_s < LEEWAY_S:
            assert sid_of(token) in site.revoked
