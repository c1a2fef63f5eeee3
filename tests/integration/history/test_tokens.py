"""Whose token opens the public routes, and whose does not any more."""

from typing import Any

import pytest

from chatterbox.chassis.broker import MemoryBroker, OnMissed, OnPayload, Subscriber
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import Code
from services.history import revocation_sync
from tests.support.history import START_MS, Clock, FakeAuth, Service, Start, code, until

EXPIRES = START_MS // 1000 + 3600


async def answer(history: Service, token: str | None) -> tuple[int, str | None]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = await history.public.get("/messages", headers=headers)
    return response.status_code, None if response.is_success else response.json()["code"]


async def test_a_valid_token_opens_and_no_token_does_not(history: Service) -> None:
    assert await answer(history, history.auth.token("alice")) == (200, None)
    refused = await history.public.get("/messages")
    assert code(refused) == (401, Code.TOKEN_MISSING)
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_tokens_of_others_and_of_nobody(history: Service, clock: Clock) -> None:
    tokens = ["x", "a.b.c", FakeAuth(clock).token("alice"), history.auth.token("alice")[:-3], "x" * 5000]
    assert {await answer(history, token) for token in tokens} == {(401, Code.TOKEN_INVALID)}


async def test_every_public_route_asks_for_one(history: Service) -> None:
    for path, operations in history.app.openapi()["paths"].items():
        for method in operations:
            refused = await history.public.request(method, path.replace("{room}", "general"), json={})
            assert code(refused)[0] in {401, 422}, (method, path)
            assert code(refused)[1] in {Code.TOKEN_MISSING, Code.BAD_REQUEST}


async def test_an_expired_token_is_refused(history: Service, clock: Clock) -> None:
    token = history.auth.token("alice", expires_in_s=60)
    clock.now += 120_000
    assert await answer(history, token) == (401, Code.TOKEN_EXPIRED)


async def test_a_session_that_is_revoked_ends_at_once(history: Service) -> None:
    token, other = history.auth.token("alice", sid="gone"), history.auth.token("alice", sid="stays")
    assert await answer(history, token) == (200, None)
    await history.broker.publish([(CONTROL, encode_control(SessionRevoked("gone", EXPIRES)))])
    assert await answer(history, token) == (401, Code.SESSION_ENDED)
    assert await answer(history, other) == (200, None)


async def test_a_session_that_was_revoked_before_the_start_is_known(start: Start, auth: FakeAuth) -> None:
    auth.revoked.append(Revocation("gone", EXPIRES))
    async with start() as history:
        assert await answer(history, auth.token("alice", sid="gone")) == (401, Code.SESSION_ENDED)


async def test_events_of_newer_versions_are_passed_over(history: Service) -> None:
    await history.broker.publish([(CONTROL, b'{"event":"unheard of"}'), (CONTROL, b"\xff")])
    assert await answer(history, history.auth.token("alice")) == (200, None)


async def test_while_auth_is_away_at_the_start_nobody_gets_in_and_then_everybody_does(
    start: Start, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_sync, "RETRY_S", 0.001)
    auth.away = True
    token = auth.token("alice")
    async with start() as history:
        assert await answer(history, token) == (503, Code.UNAVAILABLE)
        await history.greet("alice")
        assert len(await history.append(history.message("gateways work on", "k"))) == 1
        auth.away = False
        await until(lambda: bool(history.app.state.ended_sessions._known))
        assert await answer(history, token) == (200, None)


async def test_while_it_is_not_known_who_logged_out_nobody_gets_in(start: Start, auth: FakeAuth) -> None:
    auth.revocations_away = True
    async with start() as history:
        assert await answer(history, auth.token("alice")) == (503, Code.UNAVAILABLE)


async def test_a_broker_in_doubt_makes_history_ask_auth_again(start: Start, auth: FakeAuth) -> None:
    class DoubtfulBroker(MemoryBroker):
        def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
            doubts.append(on_missed)
            return super().subscriber(on_payload, on_missed)

    doubts: list[OnMissed] = []
    async with start(broker=DoubtfulBroker()) as history:
        token = auth.token("alice", sid="gone")
        assert await answer(history, token) == (200, None)
        auth.revoked.append(Revocation("gone", EXPIRES))
        doubts[0]()
        verifier: Any = history.app.state.verifier
        await until(lambda: bool(verifier.is_revoked("gone")))
        assert await answer(history, token) == (401, Code.SESSION_ENDED)


async def test_an_event_that_was_lost_is_made_up_for_by_asking_now_and_then(
    start: Start, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_sync, "RELOAD_S", 0.001)
    async with start() as history:
        auth.revoked.append(Revocation("gone", EXPIRES))
        verifier: Any = history.app.state.verifier
        await until(lambda: bool(verifier.is_revoked("gone")))
