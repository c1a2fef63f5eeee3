"""After a token's expiry: it is accepted for a few seconds and can be renewed for days; until then, its session can be
ended by every means, and stays ended.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import LEEWAY_S
from chatterbox.wire.errors import ChatError
from services.auth.sessions.session_table import RENEWABLE_S
from tests.support.auth_site import PASSWORD, AuthSite, bearing, refusal, revoked, running, sid_of

TOKEN_S = 600
OFFSETS_S = range(-1, LEEWAY_S + 2)
"""Seconds after the token's expiry."""
NIGHT_S = 12 * 3600
RENEWAL_OFFSETS_S = [*OFFSETS_S, NIGHT_S, *(RENEWABLE_S + offset_s for offset_s in OFFSETS_S)]

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


@pytest.mark.parametrize("offset_s", RENEWAL_OFFSETS_S)
async def test_a_session_is_listed_as_long_as_its_token_can_be_renewed(tmp_path: Path, offset_s: int) -> None:
    async with running(tmp_path, token_s=TOKEN_S) as site:
        token, _ = await outdated(site, offset_s)
        renewable = offset_s < RENEWABLE_S + LEEWAY_S
        listed = {session["id"] for session in (await site.sessions(await site.login())).json()}
        assert (sid_of(token) in listed) == renewable
        answer = await site.http.post("/renew", headers=bearing(token))
        assert (answer.status_code == 200) == renewable
        if renewable:
            assert sid_of(answer.json()["token"]) == sid_of(token)
            assert (await site.sessions(answer.json()["token"])).status_code == 200
        else:
            assert refusal(answer) == (401, "token_expired")


@pytest.mark.parametrize("ended", [False, True])
async def test_an_expired_token_is_renewed_within_the_longest_duration_of_a_session(
    tmp_path: Path, ended: bool
) -> None:
    async with running(tmp_path, token_s=TOKEN_S, session_max_s=NIGHT_S) as site:
        token = await site.registered()
        site.clock.now += NIGHT_S - (0 if ended else 1)
        answer = await site.http.post("/renew", headers=bearing(token))
        assert answer.status_code == (401 if ended else 200)
        listed = {session["id"] for session in (await site.sessions(await site.login())).json()}
        assert (sid_of(token) in listed) is not ended


async def test_an_expired_token_is_good_for_renewal_and_logout_only(tmp_path: Path) -> None:
    async with running(tmp_path, token_s=TOKEN_S) as site:
        token, _ = await outdated(site, NIGHT_S)
        body = {"old": PASSWORD, "new": "violet-harbour"}
        refused = [
            await site.sessions(token),
            await site.http.post("/password", json=body, headers=bearing(token)),
            await site.http.delete("/sessions", headers=bearing(token)),
        ]
        assert {refusal(answer) for answer in refused} == {(401, "token_expired")}
        assert (await site.http.post("/logout", headers=bearing(token))).status_code == 200


@pytest.mark.parametrize("offset_s", RENEWAL_OFFSETS_S)
@pytest.mark.parametrize(
    "end",
    [log_out, end_from_another_session, log_out_everywhere, change_password, ban, exceed_the_session_limit],
    ids=lambda end: end.__name__,
)
async def test_an_ended_session_is_accepted_nowhere_and_not_renewed(tmp_path: Path, end: End, offset_s: int) -> None:
    async with running(tmp_path, token_s=TOKEN_S, sessions_per_user=2) as site:
        token, other = await outdated(site, offset_s)
        if offset_s >= NIGHT_S:
            other = (await site.http.post("/renew", headers=bearing(other))).json().get("token") or await site.login()
        await end(site, token, other)
        assert not await is_accepted_elsewhere(site, token)
        assert refusal(await site.sessions(token))[0] == 401
        assert refusal(await site.http.post("/renew", headers=bearing(token)))[0] == 401
        if offset_s < LEEWAY_S:
            assert sid_of(token) in site.revoked
