"""Tokens on the public routes: valid, malformed, expired and revoked ones."""

from typing import Any

import pytest

from chatterbox.chassis import revoked_sessions
from chatterbox.chassis.broker import MemoryBroker, OnMissed, OnPayload, Subscriber
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import Code
from services.history import app as history_app
from tests.support.history import START_MS, Clock, FakeAuth, Service, Start, code, until

EXPIRES = START_MS // 1000 + 3600


async def answer(history: Service, token: str | None) -> tuple[int, str | None]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = await history.public.get("/messages", headers=headers)
    return response.status_code, None if response.is_success else response.json()["code"]


async def test_a_valid_token_is_accepted_and_a_missing_one_refused(history: Service) -> None:
    assert await answer(history, history.auth.token("alice")) == (200, None)
    refused = await history.public.get("/messages")
    assert code(refused) == (401, Code.TOKEN_MISSING)
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_malformed_and_foreign_tokens_are_refused(history: Service, clock: Clock) -> None:
    tokens = ["x", "a.b.c", FakeAuth(clock).token("alice"), history.auth.token("alice")[:-3], "x" * 5000]
    assert {await answer(history, token) for token in tokens} == {(401, Code.TOKEN_INVALID)}


async def test_every_public_route_requires_a_token(history: Service) -> None:
    for path, operations in history.app.openapi()["paths"].items():
        for method in operations:
            refused = await history.public.request(method, path.replace("{room}", "general"), json={})
            assert code(refused)[0] in {401, 422}, (method, path)
            assert code(refused)[1] in {Code.TOKEN_MISSING, Code.BAD_REQUEST}


async def test_an_expired_token_is_refused(history: Service, clock: Clock) -> None:
    token = history.auth.token("alice", expires_in_s=60)
    clock.now += 120_000
    assert await answer(history, token) == (401, Code.TOKEN_EXPIRED)


async def test_a_revoked_session_is_refused_at_once(history: Service) -> None:
    token, other = history.auth.token("alice", sid="gone"), history.auth.token("alice", sid="stays")
    assert await answer(history, token) == (200, None)
    await history.broker.publish([(CONTROL, encode_control(SessionRevoked("gone", EXPIRES)))])
    assert await answer(history, token) == (401, Code.SESSION_ENDED)
    assert await answer(history, other) == (200, None)


async def test_a_session_revoked_before_the_start_is_refused(start: Start, auth: FakeAuth) -> None:
    auth.revoked.sids.append("gone")
    async with start() as history:
        assert await answer(history, auth.token("alice", sid="gone")) == (401, Code.SESSION_ENDED)


async def test_control_events_of_newer_versions_are_ignored(history: Service) -> None:
    await history.broker.publish([(CONTROL, b'{"event":"unheard of"}'), (CONTROL, b"\xff")])
    assert await answer(history, history.auth.token("alice")) == (200, None)


async def test_requests_are_unavailable_until_auth_is_reachable_after_the_start(
    start: Start, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revoked_sessions, "RETRY_S", 0.001)
    auth.away = True
    token = auth.token("alice")
    async with start() as history:
        assert await answer(history, token) == (503, Code.UNAVAILABLE)
        await history.greet("alice")
        assert len(await history.append(history.message("gateways work on", "k"))) == 1
        auth.away = False
        await until(lambda: bool(history.app.context.verifier.knows_revocations))
        assert await answer(history, token) == (200, None)


async def test_requests_are_unavailable_until_revocations_are_loaded(start: Start, auth: FakeAuth) -> None:
    auth.revocations_away = True
    async with start() as history:
        assert await answer(history, auth.token("alice")) == (503, Code.UNAVAILABLE)
        assert code(await history.public.get("/health/ready")) == (503, Code.UNAVAILABLE)
        auth.revocations_away = False
        await until(lambda: bool(history.app.context.verifier.knows_revocations))
        assert (await history.public.get("/health/ready")).status_code == 200


async def test_missed_broker_payloads_reload_the_revocations(start: Start, auth: FakeAuth) -> None:
    class DoubtfulBroker(MemoryBroker):
        def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
            doubts.append(on_missed)
            return super().subscriber(on_payload, on_missed)

    doubts: list[OnMissed] = []
    async with start(broker=DoubtfulBroker()) as history:
        token = auth.token("alice", sid="gone")
        assert await answer(history, token) == (200, None)
        auth.revoked.sids.append("gone")
        doubts[0]()
        verifier: Any = history.app.context.verifier
        await until(lambda: bool(verifier.is_revoked("gone")))
        assert await answer(history, token) == (401, Code.SESSION_ENDED)


async def test_a_lost_revocation_event_is_found_by_the_periodic_reload(
    start: Start, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_app, "RELOAD_REVOCATIONS_S", 0.001)
    monkeypatch.setattr(revoked_sessions, "RETRY_S", 0.001)
    async with start() as history:
        auth.revoked.sids.append("gone")
        verifier: Any = history.app.context.verifier
        await until(lambda: bool(verifier.is_revoked("gone")))
