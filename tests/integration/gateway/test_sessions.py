"""Ended sessions: connections close and tokens are refused."""

import asyncio
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from chatterbox.chassis.token_verifier import AuthClient
from chatterbox.wire.auth_api import Revocations
from chatterbox.wire.errors import ChatError, Code
from tests.support.server import PASSWORD, Server, running
from tests.support.waiting import until


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _assert_refused(server: Server, token: str, code: str, close_code: int) -> None:
    talker = server.talker(token)
    await talker.open()
    assert await talker.closed() == close_code
    assert talker.inbox[0]["code"] == code
    assert (await server.http.get("/messages", headers=_bearer(token))).json()["code"] == code


@pytest.mark.timing
async def test_logout_closes_the_sessions_connections_within_a_second_and_invalidates_the_token(server: Server) -> None:
    token = await server.newcomer("alice")
    other = await server.login("alice")
    async with server.talker(token) as here, server.talker(token) as there, server.talker(other) as elsewhere:
        began = time.monotonic()
        answer = await server.http.post("/logout", headers=_bearer(token))
        assert answer.json() == {"message": "Session terminated"}
        assert (await here.closed(), await there.closed()) == (4501, 4501)
        assert time.monotonic() - began < 1
        assert (await elsewhere.ask("ping"))["type"] == "pong"
    await _assert_refused(server, token, "session_ended", 4501)


async def test_password_change_ends_the_other_sessions(server: Server) -> None:
    token = await server.newcomer("alice")
    other = await server.login("alice")
    async with server.talker(token) as here, server.talker(other) as elsewhere:
        body = {"old": PASSWORD, "new": "another long password"}
        assert (await server.http.post("/password", json=body, headers=_bearer(token))).status_code == 200
        assert await elsewhere.closed() == 4501
        assert (await here.ask("ping"))["type"] == "pong"


async def test_logout_everywhere_ends_every_session(server: Server) -> None:
    token = await server.newcomer("alice")
    other = await server.login("alice")
    async with server.talker(token) as here, server.talker(other) as elsewhere:
        await server.http.delete("/sessions", headers=_bearer(token))
        assert (await here.closed(), await elsewhere.closed()) == (4501, 4501)


async def test_revoked_session_stays_revoked_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        await server.http.post("/logout", headers=_bearer(token))
    async with running(tmp_path) as server:
        await _assert_refused(server, token, "session_ended", 4501)


async def test_gateway_accepts_no_token_and_is_not_ready_until_it_has_loaded_the_ended_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as server:
        ended, token = await server.newcomer("alice"), await server.newcomer("bob")
        await server.http.post("/logout", headers=_bearer(ended))

    async def unavailable(_: AuthClient, epoch: str, since: int) -> Revocations:
        raise ChatError(Code.UNAVAILABLE)

    monkeypatch.setattr(AuthClient, "revocations", unavailable)
    async with running(tmp_path) as server:
        for each in (ended, token):
            await _assert_refused(server, each, "unavailable", 4003)
        assert not server.whole.gateway.is_ready
        monkeypatch.undo()
        await until(lambda: server.whole.gateway.is_ready, most_s=10)
        await _assert_refused(server, ended, "session_ended", 4501)
        async with server.talker(token) as bob:
            assert (await bob.ask("ping"))["type"] == "pong"


async def test_connection_is_closed_when_its_token_expires(tmp_path: Path) -> None:
    later_s = 0
    async with running(tmp_path, now_s=lambda: time.time() + later_s) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            later_s = 13 * 3600
            assert await alice.closed() == 4502


async def test_renewed_token_is_accepted_on_the_open_connection(server: Server) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token) as alice:
        renewed = (await server.http.post("/renew", headers=_bearer(token))).json()["token"]
        assert (await alice.ask("connect", token=renewed))["type"] == "connected"
        foreign = await server.newcomer("mallory")
        assert (await alice.ask("connect", token=foreign))["code"] == "already_connected"
        assert (await alice.ask("connect", token="nonsense"))["code"] == "token_invalid"
        assert (await alice.ask("ping"))["type"] == "pong"


async def test_drain_asks_clients_to_move_and_serves_them_until_they_are_closed(tmp_path: Path) -> None:
    async with running(tmp_path, drain_s=4) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            draining = asyncio.create_task(server.whole.gateway.drain())
            assert 0 <= (await alice.push("move"))["after_ms"] <= 4000
            assert (await alice.send("still here"))["type"] == "sent"
            with pytest.raises(InvalidStatus) as refused:
                await server.talker(None).open()
            assert refused.value.response.status_code == 503
            assert await alice.closed() == 1012
            await draining


async def test_drain_waits_for_messages_in_progress(tmp_path: Path) -> None:
    async with running(tmp_path, sends_burst=1000) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            for number in range(300):
                await alice.say({"type": "send", "id": number, "content": "x", "key": f"k{number}"})
            await alice.push("sent", id=0)
            await server.whole.gateway.drain()
            assert await alice.closed() == 1012
            acked = {frame["id"] for frame in alice.inbox if frame["type"] == "sent"}
        headers = _bearer(await server.login("alice"))
        newest = (await server.http.get("/messages", params={"limit": 1}, headers=headers)).json()
        assert newest[0]["offset"] == len(acked) + 1
