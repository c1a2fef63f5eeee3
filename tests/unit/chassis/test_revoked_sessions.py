"""Revoked sessions of a service: no token is accepted before the first list has been loaded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from chatterbox.chassis import revoked_sessions
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import Jwks, Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import ChatError, Code
from tests.support import waiting

until = partial(waiting.until, most_s=5)


async def no_keys() -> Jwks:
    return Jwks([])


class FakeAuth:
    """Auth's list of revocations, which can be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.listed: list[Revocation] = []
        self.loads = 0

    async def revocations(self) -> list[Revocation]:
        self.loads += 1
        if self.is_away:
            raise ChatError(Code.UNAVAILABLE)
        return self.listed


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
            on_ended=self.ended.append,
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
    site.sessions.add(Revocation("s1", 0))
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
        site.auth.listed = [Revocation("s2", 0)]
        site.sessions.request_reload()
        await until(lambda: site.verifier.is_revoked("s2"))
        assert site.ended == ["s1", "s2"]


async def test_the_list_is_reloaded_after_the_broker_may_have_missed_payloads() -> None:
    async with following() as site:
        site.auth.listed = [Revocation("s1", 0)]
        site.broker.reconnect()
        await until(lambda: site.verifier.is_revoked("s1"))


async def test_the_list_is_reloaded_after_the_reload_time() -> None:
    async with following() as site:
        site.auth.listed = [Revocation("s1", 0)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert site.auth.loads == 1
        site.clock_s = 60
        await until(lambda: site.verifier.is_revoked("s1"))
