"""Revoked sessions of a service: no token is accepted before the first list has been loaded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from chatterbox.chassis import revoked_sessions
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Jwks, Revocations
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import ChatError, Code
from tests.support import waiting
from tests.support.revocation_list import RevocationList

until = partial(waiting.until, most_s=waiting.MOST_S)


async def no_keys() -> Jwks:
    return Jwks([])


class FakeAuth:
    """Auth's list of revocations, which can be away; `after_page` is called with the number of each page sent."""

    def __init__(self) -> None:
        self.is_away = False
        self.listed = RevocationList()
        self.loads = 0
        self.sent: list[str] = []
        self.after_page: Callable[[int], object] = lambda _: None

    async def revocations(self, epoch: str, since: int) -> Revocations:
        self.loads += 1
        if self.is_away:
            raise ChatError(Code.UNAVAILABLE)
        page = self.listed.page(epoch, since)
        self.sent += page.sids
        self.after_page(self.loads)
        return page


class Site:
    """One service's revoked sessions, with a clock that the test sets."""

    def __init__(self) -> None:
        self.auth = FakeAuth()
        self.broker = MemoryBroker()
        self.clock_s = 0.0
        self.ended: list[str] = []
        self.verifier = TokenVerifier(no_keys, lambda: 0.0, lambda: self.clock_s)
        self.sessions = RevokedSessions(
            self.verifier,
            self.auth,
            self.broker,
            clock=lambda: self.clock_s,
            reload_s=60,
            on_ended=self.ended.extend,
        )

    async def code(self) -> Code:
        """The code with which a token of an unknown key is refused."""
        with pytest.raises(ChatError) as refused:
            await self.verifier.verify("token")
        return refused.value.code


@asynccontextmanager
async def following() -> AsyncIterator[Site]:
    site = Site()
    async with site.sessions.following():
        yield site


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoked_sessions, "RETRY_S", 0.001)


async def test_no_token_is_accepted_before_the_first_list() -> None:
    site = Site()
    site.auth.is_away = True
    await site.sessions.load()
    assert await site.code() is Code.UNAVAILABLE
    assert not site.verifier.knows_revocations
    site.auth.is_away = False
    await site.sessions.load()
    assert await site.code() is Code.TOKEN_INVALID
    assert site.verifier.knows_revocations


async def test_a_revocation_from_the_broker_does_not_replace_the_first_list() -> None:
    site = Site()
    site.sessions.add(["s1"])
    assert await site.code() is Code.UNAVAILABLE


async def test_the_first_list_is_requested_until_auth_answers() -> None:
    site = Site()
    site.auth.is_away = True
    async with site.sessions.following():
        await until(lambda: site.auth.loads > 2)
        site.auth.is_away = False
        await until(lambda: site.verifier.knows_revocations)


async def test_tokens_stay_accepted_while_auth_is_down_after_the_first_list() -> None:
    async with following() as site:
        site.auth.is_away = True
        site.sessions.request_reload()
        await until(lambda: site.auth.loads > 2)
        assert await site.code() is Code.TOKEN_INVALID


async def test_ended_sessions_are_reported_from_broker_and_list() -> None:
    async with following() as site:
        await site.broker.publish([(CONTROL, encode_control(SessionRevoked("s1", 0)))])
        site.auth.listed.sids.append("s2")
        site.sessions.request_reload()
        await until(lambda: site.verifier.is_revoked("s2"))
        assert site.ended == ["s1", "s2"]


async def test_the_list_is_reloaded_after_the_broker_may_have_missed_payloads() -> None:
    async with following() as site:
        site.auth.listed.sids.append("s1")
        site.broker.reconnect()
        await until(lambda: site.verifier.is_revoked("s1"))


async def test_the_list_is_reloaded_after_the_reload_time() -> None:
    async with following() as site:
        site.auth.listed.sids.append("s1")
        for _ in range(5):
            await asyncio.sleep(0)
        assert site.auth.loads == 1
        site.clock_s = 60
        await until(lambda: site.verifier.is_revoked("s1"))


async def test_a_revocation_is_requested_once() -> None:
    site = Site()
    for sid in ("s1", "s2", "s3"):
        site.auth.listed.sids.append(sid)
        await site.sessions.load()
        await site.sessions.load()
    assert site.auth.sent == site.ended == ["s1", "s2", "s3"]


async def test_a_long_list_is_loaded_in_pages() -> None:
    site = Site()
    site.auth.listed = RevocationList([f"s{number}" for number in range(10)], per_page=4)
    await site.sessions.load()
    assert site.auth.loads == 3
    assert site.ended == site.auth.listed.sids


async def test_no_token_is_accepted_before_the_last_page() -> None:
    site = Site()
    site.auth.listed = RevocationList(["s1", "s2", "s3"], per_page=2)
    known: list[bool] = []
    site.auth.after_page = lambda _: known.append(site.verifier.knows_revocations)
    await site.sessions.load()
    assert known == [False, False]
    assert site.verifier.knows_revocations


async def test_an_interrupted_list_is_continued_after_the_last_page_that_arrived() -> None:
    def go_away(_: int) -> None:
        site.auth.is_away = True

    site = Site()
    site.auth.listed = RevocationList(["s1", "s2", "s3"], per_page=2)
    site.auth.after_page = go_away
    await site.sessions.load()
    assert not site.verifier.knows_revocations
    site.auth.is_away = False
    await site.sessions.load()
    assert site.auth.sent == ["s1", "s2", "s3"]
    assert site.verifier.knows_revocations


@pytest.mark.parametrize("per_page", [1, 2, 1000])
async def test_a_restarted_auth_is_asked_from_the_start_and_nothing_is_forgotten(per_page: int) -> None:
    site = Site()
    site.auth.listed.sids += ["s1", "s2", "s3"]
    await site.sessions.load()
    site.auth.listed = RevocationList(["s1", "s4"], epoch="e2", per_page=per_page)  # a backup, and one logout since
    await site.sessions.load()
    assert all(map(site.verifier.is_revoked, ("s1", "s2", "s3", "s4")))


async def test_a_restart_of_auth_between_two_pages_skips_nothing() -> None:
    def restart(load: int) -> None:
        if load == 1:
            site.auth.listed = RevocationList(["s7", "s8", "s9"], epoch="e2", per_page=2)

    site = Site()
    site.auth.listed = RevocationList(["s1", "s2", "s3"], per_page=2)
    site.auth.after_page = restart
    await site.sessions.load()
    assert site.ended == ["s1", "s2", "s7", "s8", "s9"]


async def test_a_revocation_is_forgotten_when_its_tokens_have_expired() -> None:
    async with following() as site:
        site.sessions.add(["s1"])
        site.clock_s += auth_api.MAX_TOKEN_S + 2 * auth_api.LEEWAY_S + 1
        await until(lambda: site.verifier.revocations == 0)
