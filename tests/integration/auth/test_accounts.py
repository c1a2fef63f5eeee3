"""Registration, login and password change over HTTP."""

import asyncio
import logging
import threading
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]

from chatterbox.wire.errors import ChatError
from services.auth.users.password_hasher import PasswordHasher
from tests.support import auth_site
from tests.support.auth_site import PASSWORD, AuthSite, Clock, bearing, payload_of, refusal, sid_of
from tests.support.waiting import until

OTHER = "violet-harbour"
running = partial(auth_site.running, real_hashes=True)
"""These tests are about hashing, too: its cost, and its queue."""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AuthSite]:
    async with running(tmp_path) as site:
        yield site


class TestRegister:
    async def test_register_returns_201_and_a_message(self, site: AuthSite) -> None:
        response = await site.register()
        assert response.status_code == 201
        assert response.json() == {"message": "User created successfully"}

    @pytest.mark.parametrize("username", ["alice", "ALICE", "al1ce", "\uff41lice", "alic\u00e9"])
    async def test_register_refuses_a_taken_or_look_alike_name(self, site: AuthSite, username: str) -> None:
        await site.register("alice")
        assert refusal(await site.register(username)) == (409, "username_taken")

    async def test_register_refuses_look_alike_capitals_of_another_script(self, site: AuthSite) -> None:
        await site.register("bob")
        assert refusal(await site.register("\u0412\u041e\u0412")) == (409, "username_taken")

    async def test_concurrent_registrations_of_one_name_create_one_user(self, site: AuthSite) -> None:
        both = await asyncio.gather(site.register("alice"), site.register("ALICE"))
        assert sorted(response.status_code for response in both) == [201, 409]

    @pytest.mark.parametrize("username", ["ab", "system", "a b c", "p\u0430ypal"])
    async def test_register_refuses_invalid_usernames(self, site: AuthSite, username: str) -> None:
        assert refusal(await site.register(username)) == (422, "username_invalid")

    @pytest.mark.parametrize("password", ["short", "x" * 129, "password", "alice123"])
    async def test_register_refuses_invalid_passwords(self, site: AuthSite, password: str) -> None:
        assert refusal(await site.register("alice", password)) == (422, "password_invalid")

    async def test_a_too_long_password_is_never_hashed(self, site: AuthSite, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(PasswordHasher, "_hash", lambda *_: pytest.fail("hashed"))
        monkeypatch.setattr(PasswordHasher, "_verify", lambda *_: pytest.fail("hashed"))
        assert refusal(await site.register("alice", "x" * 60_000)) == (422, "password_invalid")
        assert refusal(await site.try_login("alice", "x" * 60_000)) == (401, "credentials_invalid")

    async def test_registrations_are_rate_limited_per_address(self, tmp_path: Path) -> None:
        async with running(tmp_path, registrations_burst=2, registrations_per_hour=360) as site:
            for name in ("first", "second"):
                assert (await site.register(name)).status_code == 201
            response = await site.register("third")
            assert refusal(response) == (429, "rate_limited")
            assert response.headers["Retry-After"] == "10"
            async with site.at("192.0.2.1") as other:
                body = {"username": "third", "password": PASSWORD}
                assert (await other.post("/register", json=body)).status_code == 201


class TestLogin:
    async def test_login_returns_token_expiry_session_and_username(self, site: AuthSite) -> None:
        await site.register("Alice")
        response = await site.try_login("aLICE")
        body = response.json()
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert body["token"] == body["access_token"]
        assert (body["token_type"], body["expires_in"], body["username"]) == ("bearer", 43_200, "Alice")
        assert payload_of(body["token"])["sid"] == body["session"]
        assert payload_of(body["token"])["name"] == "Alice"

    async def test_login_accepts_the_oauth2_password_form(self, site: AuthSite) -> None:
        await site.register("Zo\u00eb", "p\u00e4ss & w=rd+")
        form = {"grant_type": "password", "username": "zo\u00eb", "password": "p\u00e4ss & w=rd+"}
        response = await site.http.post("/login", data=form)
        assert response.status_code == 200
        assert (await site.sessions(response.json()["access_token"])).status_code == 200

    async def test_every_character_of_a_password_counts(self, site: AuthSite) -> None:
        password = "nul\0 \u00e4\U0001f600\n" * 12
        await site.register("alice", password)
        assert (await site.try_login("alice", password)).status_code == 200
        assert refusal(await site.try_login("alice", password[:-1])) == (401, "credentials_invalid")

    @pytest.mark.parametrize(
        "password",
        ["\ubc25\uac11\uc218\ubd81\ub2ec\ud574\uc0b0\ubb3c", "\ubc25\uac11\uc218\ubd81 " * 25, "caf\u00e9 " * 25],
    )
    async def test_login_accepts_either_form_of_a_password_however_it_was_chosen(
        self, site: AuthSite, password: str
    ) -> None:
        forms = [unicodedata.normalize(form, password) for form in ("NFC", "NFD")]
        for name, chosen, typed in (("alice", *forms), ("bob", *reversed(forms))):
            assert (await site.register(name, chosen)).status_code == 201
            assert (await site.try_login(name, typed)).status_code == 200

    async def test_login_accepts_either_form_of_a_long_username(self, site: AuthSite) -> None:
        name = "\ubc25\uac11" * 16
        assert (await site.register(unicodedata.normalize("NFD", name))).status_code == 201
        for form in ("NFC", "NFD"):
            assert (await site.try_login(unicodedata.normalize(form, name))).status_code == 200

    async def test_login_with_a_look_alike_name_is_refused(self, site: AuthSite) -> None:
        await site.register("alice")
        assert refusal(await site.try_login("al1ce")) == (401, "credentials_invalid")

    async def test_login_replaces_a_hash_with_old_parameters(self, site: AuthSite) -> None:
        weak = CryptContext(schemes=["argon2"], argon2__memory_cost=7168, argon2__time_cost=1, argon2__parallelism=1)
        await site.register()
        async with site.auth.database.transaction() as transaction:
            await transaction.rows("UPDATE users SET hashed_password = ?", (weak.hash(PASSWORD),))
        both = await asyncio.gather(site.try_login(), site.try_login())
        assert {response.status_code for response in both} == {200}
        ((stored,),) = await site.auth.database.rows("SELECT hashed_password FROM users")
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    async def test_a_login_beyond_the_session_limit_ends_the_oldest_session(self, tmp_path: Path) -> None:
        async with running(tmp_path, sessions_per_user=2) as site:
            await site.register()
            tokens = []
            for _ in range(3):
                site.clock.now += 1
                tokens.append(await site.login())
            assert site.revoked == [sid_of(tokens[0])]
            assert refusal(await site.sessions(tokens[0])) == (401, "session_ended")
            assert len((await site.sessions(tokens[2])).json()) == 2


class TestWrongCredentials:
    async def test_unknown_user_and_wrong_password_get_the_same_response(self, site: AuthSite) -> None:
        await site.register()
        wrong, unknown = await site.try_login("alice", "wrong-password"), await site.try_login("nobody1", PASSWORD)
        assert refusal(wrong) == refusal(unknown) == (401, "credentials_invalid")
        assert wrong.content == unknown.content
        for answer in (wrong, unknown):
            del answer.headers["X-Request-Id"]
        assert wrong.headers == unknown.headers

    async def test_unknown_user_and_wrong_password_cost_one_verification_each(
        self, site: AuthSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await site.register()
        verified: list[str] = []

        def verify(_: PasswordHasher, password: str, hashed: str) -> tuple[bool, None]:
            verified.append(hashed[:31])
            return False, None

        monkeypatch.setattr(PasswordHasher, "_hash", lambda *_: pytest.fail("hashed"))
        monkeypatch.setattr(PasswordHasher, "_verify", verify)
        await site.try_login("alice", "wrong-password")
        await site.try_login("nobody1", "wrong-password")
        assert verified == ["$argon2id$v=19$m=19456,t=2,p=1$"] * 2

    async def test_ten_wrong_passwords_are_throttled_with_retry_after(self, site: AuthSite) -> None:
        await site.register()
        for _ in range(10):
            response = await site.try_login("alice", "wrong-password")
        assert refusal(response) == (429, "login_throttled")
        assert response.headers["Retry-After"] == "1"
        assert refusal(await site.try_login()) == (429, "login_throttled")

    async def test_refused_logins_are_logged_once_a_minute_with_the_number_left_out(
        self, site: AuthSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        def lines(event: str) -> list[int]:
            return [vars(record)["omitted"] for record in caplog.records if record.getMessage() == event]

        caplog.set_level(logging.INFO)
        for _ in range(20):
            await site.try_login("nobody1", "wrong-password")
        assert (lines("login.failed"), lines("login.throttled")) == ([0], [0])
        site.clock.now += 60
        for _ in range(3):
            await site.try_login("nobody1", "wrong-password")
        assert (lines("login.failed"), lines("login.throttled")) == ([0, 4], [0, 14])

    async def test_wrong_passwords_for_an_unknown_user_are_throttled_too(self, site: AuthSite) -> None:
        for _ in range(10):
            response = await site.try_login("nobody1", "wrong-password")
        assert refusal(response) == (429, "login_throttled")

    async def test_a_throttled_account_can_log_in_from_another_address(self, site: AuthSite) -> None:
        await site.register()
        for _ in range(10):
            await site.try_login("alice", "wrong-password")
        async with site.at("192.0.2.1") as home:
            response = await home.post("/login", json={"username": "alice", "password": PASSWORD})
        assert response.status_code == 200

    async def test_a_throttled_login_works_after_the_wait(self, site: AuthSite) -> None:
        await site.register()
        for _ in range(10):
            await site.try_login("alice", "wrong-password")
        site.clock.now += 1
        assert (await site.try_login()).status_code == 200


class TestLoginRate:
    async def test_right_passwords_of_one_account_are_rate_limited_with_the_limit_and_retry_after(
        self, tmp_path: Path
    ) -> None:
        async with running(tmp_path, logins_burst=3, logins_per_hour=360) as site:
            await site.register()
            await site.register("bob")
            for _ in range(3):
                assert (await site.try_login()).status_code == 200
            response = await site.try_login()
            assert refusal(response) == (429, "rate_limited")
            assert response.headers["Retry-After"] == "10"
            assert "3 at once" in response.json()["detail"]
            async with site.at("192.0.2.1") as other:
                elsewhere = await other.post("/login", json={"username": "alice", "password": PASSWORD})
            assert refusal(elsewhere) == (429, "rate_limited")
            assert (await site.try_login("bob")).status_code == 200
            site.clock.now += 10
            assert (await site.try_login()).status_code == 200

    async def test_right_passwords_from_one_address_are_rate_limited(self, tmp_path: Path) -> None:
        async with running(tmp_path, address_logins_burst=2, address_logins_per_hour=360) as site:
            for name in ("alice", "bob", "carol"):
                await site.register(name)
            for name in ("alice", "bob"):
                assert (await site.try_login(name)).status_code == 200
            assert refusal(await site.try_login("carol")) == (429, "rate_limited")
            async with site.at("192.0.2.1") as other:
                elsewhere = await other.post("/login", json={"username": "carol", "password": PASSWORD})
            assert elsewhere.status_code == 200

    async def test_password_changes_count_as_logins(self, tmp_path: Path) -> None:
        async with running(tmp_path, logins_burst=3, logins_per_hour=360) as site:
            token = await site.registered()
            assert (await change(site, token, PASSWORD, OTHER)).status_code == 200
            assert (await change(site, token, OTHER, PASSWORD)).status_code == 200
            assert refusal(await change(site, token, PASSWORD, OTHER)) == (429, "rate_limited")

    async def test_guesses_from_many_addresses_do_not_use_up_the_owners_logins(self, site: AuthSite) -> None:
        await site.register()
        await site.login()
        for number in range(50):
            async with site.at(f"192.0.2.{number}") as attacker:
                await attacker.post("/login", json={"username": "alice", "password": f"wrong guess {number}"})
        assert (await site.try_login()).status_code == 200

    async def test_logins_from_another_address_pass_while_one_address_fills_the_hashing_queue(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first password is hashed only when the queue is full and the other address waits in it, too."""
        may_hash, verify, order = threading.Event(), PasswordHasher._verify, list[str]()

        def verify_in_time(hasher: PasswordHasher, password: str, hashed: str) -> tuple[bool, str | None]:
            may_hash.wait()
            order.append(password)
            return verify(hasher, password, hashed)

        async with running(tmp_path, hash_concurrency=1, hash_waiting=8, login_failures=100) as site:
            await site.register("mallory")
            await site.register("alice", OTHER)
            monkeypatch.setattr(PasswordHasher, "_verify", verify_in_time)
            flood = [asyncio.create_task(site.try_login("mallory")) for _ in range(40)]
            hasher = site.auth.accounts._hasher
            try:
                await until(lambda: sum(task.done() for task in flood) == 31, most_s=60)
                assert (hasher.running, hasher.waiting) == (1, 8)
                async with site.at("192.0.2.1") as home:
                    body = {"username": "alice", "password": OTHER}
                    login = asyncio.create_task(home.post("/login", json=body))
                    await until(lambda: sum(task.done() for task in flood) == 32, most_s=60)
                    may_hash.set()
                    assert (await login).status_code == 200
            finally:
                may_hash.set()
                responses = await asyncio.gather(*flood)
        assert order.index(OTHER) <= 2
        assert order.count(PASSWORD) == 8
        assert Counter(response.status_code for response in responses) == {200: 8, 503: 32}


class TestConcurrentLogins:
    async def test_64_wrong_passwords_at_once_are_no_more_than_the_free_failures(self, site: AuthSite) -> None:
        await site.register()
        responses = await asyncio.gather(*(site.try_login("alice", f"wrong guess {number}") for number in range(64)))
        outcomes = Counter(map(refusal, responses))
        assert outcomes == {(401, "credentials_invalid"): 5, (429, "login_throttled"): 59}

    async def test_the_right_password_among_64_guesses_at_once_is_not_found(self, site: AuthSite) -> None:
        await site.register()
        guesses = [f"wrong guess {number}" for number in range(59)] + [PASSWORD]
        responses = await asyncio.gather(*(site.try_login("alice", password) for password in guesses))
        assert refusal(responses[-1]) == (429, "login_throttled")

    async def test_more_logins_waiting_for_outcomes_than_may_wait_are_refused(self, tmp_path: Path) -> None:
        async with running(tmp_path, login_failures=1, hash_concurrency=1, hash_waiting=2) as site:
            await site.register()
            responses = await asyncio.gather(*(site.try_login() for _ in range(6)))
            outcomes = Counter(response.status_code for response in responses)
            assert outcomes == {200: 3, 503: 3}
            assert all(response.headers["Retry-After"] == "1" for response in responses if response.is_error)

    async def test_twenty_concurrent_logins_all_succeed(self, site: AuthSite) -> None:
        await site.register()
        responses = await asyncio.gather(*(site.try_login() for _ in range(20)))
        assert {response.status_code for response in responses} == {200}

    async def test_logins_beyond_the_hashing_queue_get_503_with_retry_after(self, tmp_path: Path) -> None:
        async with running(tmp_path, hash_concurrency=1, hash_waiting=1) as site:
            await site.register()
            responses = await asyncio.gather(*(site.try_login() for _ in range(6)))
            refused = [response for response in responses if response.status_code != 200]
            assert refused
            assert {refusal(response) for response in refused} == {(503, "unavailable")}
            assert all(response.headers["Retry-After"] == "1" for response in refused)


class TestChangePassword:
    async def test_after_a_change_only_the_new_password_is_accepted(self, site: AuthSite) -> None:
        token = await site.registered()
        assert (await change(site, token, PASSWORD, OTHER)).json() == {"message": "Password changed"}
        assert refusal(await site.try_login("alice", PASSWORD)) == (401, "credentials_invalid")
        assert (await site.try_login("alice", OTHER)).status_code == 200

    async def test_a_password_change_ends_and_publishes_all_other_sessions(self, site: AuthSite) -> None:
        other, token = await site.registered(), await site.login()
        await change(site, token, PASSWORD, OTHER)
        assert refusal(await site.sessions(other)) == (401, "session_ended")
        assert (await site.sessions(token)).status_code == 200
        assert site.revoked == [sid_of(other)]

    async def test_wrong_old_passwords_are_throttled(self, site: AuthSite) -> None:
        token = await site.registered()
        assert refusal(await change(site, token, "wrong-password", OTHER)) == (401, "credentials_invalid")
        for _ in range(10):
            response = await change(site, token, "wrong-password", OTHER)
        assert refusal(response) == (429, "login_throttled")
        assert response.headers["Retry-After"]

    async def test_a_common_new_password_is_refused(self, site: AuthSite) -> None:
        token = await site.registered()
        assert refusal(await change(site, token, PASSWORD, "password")) == (422, "password_invalid")

    async def test_of_two_concurrent_password_changes_one_succeeds(self, site: AuthSite) -> None:
        token = await site.registered()
        both = await asyncio.gather(*(change(site, token, PASSWORD, new) for new in (OTHER, "amber-lantern")))
        assert sorted(response.status_code for response in both) == [200, 401]

    async def test_a_login_concurrent_with_a_password_change_gets_no_session(self, site: AuthSite) -> None:
        token = await site.registered()
        user = await site.auth.accounts.authenticate("alice", PASSWORD, "")
        await change(site, token, PASSWORD, OTHER)
        with pytest.raises(ChatError, match="credentials_invalid"):
            await site.auth.sessions.begin(user, "", "")


async def change(site: AuthSite, token: str, old: str, new: str) -> httpx.Response:
    return await site.http.post("/password", json={"old": old, "new": new}, headers=bearing(token))


async def test_a_wall_clock_jump_does_not_prolong_login_waits(tmp_path: Path) -> None:
    steady = Clock(0.0)
    async with running(tmp_path, steady=steady, login_failures=1, login_wait_max_s=60) as site:
        await site.register()
        site.clock.now += 86_400
        for _ in range(2):
            await site.try_login(password="a wrong one")
        assert refusal(await site.try_login()) == (429, "login_throttled")
        site.clock.now -= 86_400
        steady.now += 60
        assert (await site.try_login()).status_code == 200
