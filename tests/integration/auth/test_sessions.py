"""Login sessions over HTTP: logout, renewal, listing, ending, storage."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker, OnMissed, OnPayload, Subscriber
from chatterbox.chassis.observability.logs import fields_of
from chatterbox.wire.auth_api import LEEWAY_S
from chatterbox.wire.rate_limits import SESSION_REQUESTS
from services.auth.auth_database import MIGRATIONS
from services.auth.sessions.session_table import CLOCK_ERROR_S, RENEWABLE_S
from tests.support.auth_site import PASSWORD, AuthSite, bearing, payload_of, refusal, revoked, running, sid_of
from tests.support.metrics_parser import figure

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def post(site: AuthSite, path: str, token: str) -> httpx.Response:
    return await site.http.post(path, headers=bearing(token))


async def delete(site: AuthSite, path: str, token: str) -> httpx.Response:
    return await site.http.delete(path, headers=bearing(token))


class TestLogout:
    async def test_logout_returns_session_terminated(self, site: AuthSite) -> None:
        response = await post(site, "/logout", await site.registered())
        assert (response.status_code, response.json()) == (200, {"message": "Session terminated"})

    async def test_a_token_is_refused_after_logout(self, site: AuthSite) -> None:
        token = await site.registered()
        await post(site, "/logout", token)
        for path in ("/logout", "/renew"):
            assert refusal(await post(site, path, token)) == (401, "session_ended")
        assert refusal(await site.sessions(token)) == (401, "session_ended")

    async def test_logout_is_stored_and_published(self, site: AuthSite) -> None:
        token = await site.registered()
        await post(site, "/logout", token)
        assert site.revoked == [sid_of(token)]
        assert await revoked(site) == [sid_of(token)]

    async def test_logout_keeps_other_sessions(self, site: AuthSite) -> None:
        other, token = await site.registered(), await site.login()
        await post(site, "/logout", token)
        assert (await site.sessions(other)).status_code == 200

    async def test_two_concurrent_logouts_end_the_session_once(self, site: AuthSite) -> None:
        token = await site.registered()
        both = await asyncio.gather(*(post(site, "/logout", token) for _ in range(2)))
        assert 200 in {response.status_code for response in both}
        assert site.revoked == [sid_of(token)]


class TestRenew:
    async def test_renew_returns_a_later_token_of_the_same_session(self, site: AuthSite) -> None:
        token = await site.registered()
        site.clock.now += 3600
        body = (await post(site, "/renew", token)).json()
        assert sid_of(body["token"]) == sid_of(token)
        assert payload_of(body["token"])["exp"] == payload_of(token)["exp"] + 3600
        assert payload_of(body["token"])["jti"] != payload_of(token)["jti"]
        assert body["expires_in"] == 43_200

    async def test_the_old_token_stays_valid_after_renewal(self, site: AuthSite) -> None:
        token = await site.registered()
        site.clock.now += 3600
        await post(site, "/renew", token)
        assert (await site.sessions(token)).status_code == 200

    async def test_renewal_does_not_extend_a_session_beyond_its_limit(self, tmp_path: Path) -> None:
        async with running(tmp_path, token_s=600, session_max_s=1000) as site:
            token = await site.registered()
            site.clock.now += 590
            body = (await post(site, "/renew", token)).json()
            assert body["expires_in"] == 410
            site.clock.now += 409
            assert (await post(site, "/renew", body["token"])).json()["expires_in"] == 1
            site.clock.now += 2
            assert refusal(await post(site, "/renew", body["token"])) == (401, "session_ended")

    async def test_renewals_of_one_user_are_rate_limited_over_all_sessions(self, tmp_path: Path) -> None:
        async with running(tmp_path, renewals_burst=2, renewals_per_hour=360) as site:
            tokens = [await site.registered(), await site.login()]
            bob = await site.registered("bob")
            for token in tokens:
                assert (await post(site, "/renew", token)).status_code == 200
            response = await post(site, "/renew", tokens[0])
            assert refusal(response) == (429, "rate_limited")
            assert response.headers["Retry-After"] == "10"
            assert (await post(site, "/renew", bob)).status_code == 200
            site.clock.now += 10
            assert (await post(site, "/renew", tokens[0])).status_code == 200

    async def test_requests_about_sessions_are_rate_limited_for_each_session(self, site: AuthSite) -> None:
        mine, others = await site.registered(), await site.login()
        answers = [await site.sessions(mine) for _ in range(SESSION_REQUESTS.bound.burst + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {200}
        assert refusal(answers[-1]) == (429, "rate_limited")
        assert refusal(await post(site, "/logout", mine)) == (429, "rate_limited")
        ended = await site.http.delete(f"/sessions/{sid_of(mine)}", headers=bearing(others))
        assert ended.status_code == 200

    async def test_logout_ends_renewed_tokens_too(self, site: AuthSite) -> None:
        token = await site.registered()
        site.clock.now += 3600
        later = (await post(site, "/renew", token)).json()["token"]
        await post(site, "/logout", token)
        assert refusal(await site.sessions(later)) == (401, "session_ended")
        assert await site.auth.database.rows("SELECT expires FROM revocations") == [(payload_of(later)["exp"],)]


class TestListSessions:
    async def test_list_returns_own_sessions_newest_first(self, site: AuthSite) -> None:
        await site.registered("mallory")
        older = await site.registered()
        site.clock.now += 60
        token = await site.login()
        listed = (await site.sessions(token)).json()
        assert [line["id"] for line in listed] == [sid_of(token), sid_of(older)]
        assert [line["current"] for line in listed] == [True, False]
        assert all(RFC_3339.fullmatch(line[name]) for line in listed for name in ("created", "expires"))
        assert listed[0]["created"] == "2026-09-21T14:14:20.000Z"
        assert all(line["user_agent"].startswith("python-httpx/") for line in listed)

    async def test_list_tells_where_and_when_a_session_was_last_used_and_when_it_ends(self, site: AuthSite) -> None:
        await site.register()
        credentials = {"username": "alice", "password": PASSWORD}
        async with site.at("192.0.2.7") as home, site.at("::ffff:198.51.100.9") as train:
            token = (await home.post("/login", json=credentials)).json()["token"]
            site.clock.now += 3600
            (line,) = (await site.sessions(token)).json()
            assert (line["address"], line["last_used"]) == ("192.0.2.7", line["created"])
            assert (await train.post("/renew", headers=bearing(token))).status_code == 200
        (line,) = (await site.sessions(token)).json()
        assert (line["address"], line["last_used"]) == ("198.51.100.9", "2026-09-21T15:13:20.000Z")
        assert line["expires"] == "2026-09-22T03:13:20.000Z"
        assert line["ends"] == "2026-10-21T14:13:20.000Z"

    async def test_a_token_expires_no_later_than_its_session_ends(self, tmp_path: Path) -> None:
        async with running(tmp_path, token_s=600, session_max_s=700) as site:
            token = await site.registered()
            site.clock.now += 300
            (line,) = (await site.sessions((await post(site, "/renew", token)).json()["token"])).json()
        assert line["expires"] == line["ends"] == "2026-09-21T14:25:00.000Z"

    async def test_the_log_tells_from_which_address_a_session_was_opened(
        self, site: AuthSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await site.register()
        async with site.at("2001:db8::1") as http:
            await http.post("/login", json={"username": "alice", "password": PASSWORD})
        (opened,) = [record for record in caplog.records if record.getMessage() == "session.opened"]
        assert fields_of(opened)["address"] == "2001:db8::1"

    async def test_a_listed_user_agent_is_printable_and_truncated(self, site: AuthSite) -> None:
        await site.register()
        body = {"username": "alice", "password": "tangerine-moon"}
        agent = b"\x1b]0;owned\x07\x9b31m" + b"x" * 500
        response = await site.http.post("/login", json=body, headers={b"User-Agent": agent})
        (line,) = (await site.sessions(response.json()["token"])).json()
        assert line["user_agent"].isprintable()
        assert len(line["user_agent"]) == 200

    async def test_list_omits_ended_and_expired_sessions(self, site: AuthSite) -> None:
        await post(site, "/logout", await site.registered())
        await site.login()
        site.clock.now += 43_200 + RENEWABLE_S + LEEWAY_S
        token = await site.login()
        assert [line["id"] for line in (await site.sessions(token)).json()] == [sid_of(token)]


class TestEndSession:
    async def test_a_user_can_end_another_own_session(self, site: AuthSite) -> None:
        other, token = await site.registered(), await site.login()
        response = await delete(site, f"/sessions/{sid_of(other)}", token)
        assert response.json() == {"message": "Session terminated"}
        assert refusal(await site.sessions(other)) == (401, "session_ended")
        assert site.revoked == [sid_of(other)]

    async def test_a_user_cannot_end_sessions_of_others(self, site: AuthSite) -> None:
        alices, token = await site.registered(), await site.registered("mallory")
        assert refusal(await delete(site, f"/sessions/{sid_of(alices)}", token)) == (404, "session_unknown")
        assert (await site.sessions(alices)).status_code == 200

    @pytest.mark.parametrize("sid", ["nothing", "%00", "a" * 3000, "%ff", "..%2f"])
    async def test_ending_an_unknown_session_is_refused(self, site: AuthSite, sid: str) -> None:
        status, code = refusal(await delete(site, f"/sessions/{sid}", await site.registered()))
        assert (status, code) in {(404, "session_unknown"), (404, "not_found"), (405, "method_not_allowed")}

    async def test_a_user_can_end_all_own_sessions(self, site: AuthSite) -> None:
        tokens = [await site.registered(), await site.login(), await site.login()]
        mallory = await site.registered("mallory")
        assert (await delete(site, "/sessions", tokens[0])).json() == {"message": "All sessions terminated"}
        for token in tokens:
            assert refusal(await site.sessions(token)) == (401, "session_ended")
        assert (await site.sessions(mallory)).status_code == 200
        assert sorted(site.revoked) == sorted(map(sid_of, tokens))


class Unreachable(MemoryBroker):
    """A broker whose `publish` calls `fail`, then never returns."""

    def __init__(self, fail: Callable[[], object]) -> None:
        super().__init__()
        self._fail = fail

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        self._fail()
        await asyncio.Event().wait()

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return super().subscriber(on_payload, on_missed)


def refuse() -> None:
    raise BrokerError("down")


class TestBrokerDown:
    @pytest.mark.parametrize("fail", [refuse, lambda: None])
    async def test_logout_works_without_the_broker(
        self,
        tmp_path: Path,
        fail: Callable[[], object],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("services.auth.sessions.login_sessions.PUBLISH_S", 0.01)
        async with running(tmp_path, broker=Unreachable(fail)) as site:
            token = await site.registered()
            assert (await post(site, "/logout", token)).status_code == 200
            assert refusal(await site.sessions(token)) == (401, "session_ended")
            assert await revoked(site) == [sid_of(token)]
            scraped = (await site.http.get("/metrics")).content
            assert figure(scraped, "chatterbox_auth_endings_unannounced_total") == 1
        assert "revocation.publish_failed" in caplog.messages


class TestStorage:
    async def test_users_sessions_and_logouts_survive_a_restart(self, tmp_path: Path) -> None:
        async with running(tmp_path) as site:
            ended, token = await site.registered(), await site.login()
            await post(site, "/logout", ended)
        async with running(tmp_path) as site:
            assert refusal(await site.sessions(ended)) == (401, "session_ended")
            assert (await site.sessions(token)).status_code == 200
            assert (await site.try_login()).status_code == 200

    async def test_sessions_of_an_older_database_were_last_used_when_they_were_created(self, tmp_path: Path) -> None:
        async with running(tmp_path) as site:
            token = await site.registered()
        with closing(sqlite3.connect(tmp_path / "auth.sqlite")) as database:
            (stored,) = database.execute("SELECT * FROM users").fetchall()
            session = database.execute("SELECT id, user_id, created, expires, user_agent FROM sessions").fetchone()
        (tmp_path / "auth.sqlite").unlink()
        with closing(sqlite3.connect(tmp_path / "auth.sqlite")) as database:
            database.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version=1;")
            database.execute(f"INSERT INTO users VALUES ({', '.join('?' * len(stored))})", stored)
            database.execute(
                "INSERT INTO sessions (id, user_id, created, expires, user_agent) VALUES (?, ?, ?, ?, ?)", session
            )
            database.commit()
        async with running(tmp_path) as site:
            (line,) = (await site.sessions(token)).json()
            assert (line["address"], line["last_used"]) == ("", line["created"])

    async def test_expired_sessions_are_deleted(self, tmp_path: Path) -> None:
        async with running(tmp_path) as site:
            await post(site, "/logout", await site.registered())
            await site.login()
            site.clock.now += 43_200 + RENEWABLE_S + CLOCK_ERROR_S + LEEWAY_S
            assert await revoked(site) == []
            await site.auth.sessions.delete_expired()
            for table in ("sessions", "revocations"):
                assert await site.auth.database.rows(f"SELECT * FROM {table}") == []

    async def test_a_clock_a_day_ahead_does_not_drop_revocations(self, tmp_path: Path) -> None:
        async with running(tmp_path) as site:
            token = await site.registered()
            await post(site, "/logout", token)
            site.clock.now += 86_400
            assert await revoked(site) == [sid_of(token)]
            await site.auth.sessions.delete_expired()
            site.clock.now -= 86_400
            assert await revoked(site) == [sid_of(token)]
            assert refusal(await site.sessions(token)) == (401, "session_ended")

    async def test_database_and_keys_are_readable_by_their_owner_only(self, site: AuthSite) -> None:
        for file in (site.data / "auth.sqlite", site.data / "auth-keys"):
            assert file.stat().st_mode & 0o077 == 0
