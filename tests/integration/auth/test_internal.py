"""Auth's internal routes and health checks."""

import asyncio

import httpx
import pytest

from chatterbox.chassis.http.internal_http import call, in_process
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from tests.support.auth_site import AuthSite, bearing, refusal, revoked, sid_of

ROUTES = [
    ("GET", "/internal/jwks"),
    ("GET", "/internal/revocations"),
    ("POST", "/internal/user"),
    ("POST", "/internal/users"),
    ("POST", "/internal/display-name"),
    ("POST", "/internal/ban"),
]


class TestServiceKey:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    async def test_internal_routes_refuse_requests_without_the_service_key(
        self, site: AuthSite, method: str, path: str
    ) -> None:
        token = await site.registered()
        for headers in ({}, bearing(token), bearing("k" * 31), bearing("k" * 33)):
            response = await site.http.request(method, path, headers=headers)
            assert refusal(response) == (401, "service_key_invalid")

    async def test_internal_routes_are_not_in_the_api_reference(self, site: AuthSite) -> None:
        assert {path.split("/")[1] for path in site.app.openapi()["paths"]} == {
            "register", "login", "logout", "renew", "sessions", "password",
        }  # fmt: skip


class TestUserLookup:
    @pytest.mark.parametrize("name", ["Alice", "alice", "ALICE", "\uff21lice"])
    async def test_a_user_is_found_by_any_spelling_of_the_name(self, site: AuthSite, name: str) -> None:
        await site.register("Alice")
        assert await site.internal.user(name) == UserInfo(1, "Alice")

    @pytest.mark.parametrize("name", ["nobody1", "al1ce", "", "x" * 10_000, "a\0b", "alice "])
    async def test_lookup_of_a_name_that_is_not_a_user_is_refused(self, site: AuthSite, name: str) -> None:
        await site.register("alice")
        with pytest.raises(ChatError, match="user_unknown"):
            await site.internal.user(name)

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"username": 1}', b"\xff", b'{"username": "\\ud800"}'])
    async def test_a_malformed_lookup_gets_422(self, site: AuthSite, body: bytes) -> None:
        response = await site.internal_http.post("/internal/user", content=body)
        assert refusal(response) == (422, "bad_request")

    async def test_many_users_are_found_at_once_without_names_that_no_user_has(self, site: AuthSite) -> None:
        await site.register("alice")
        await site.register("Bob1")
        found = await site.internal.users(["ALICE", "bob1", "carol", "", "x" * 10_000])
        assert sorted(found, key=lambda user: user.user_id) == [UserInfo(1, "alice"), UserInfo(2, "Bob1")]
        with pytest.raises(ChatError, match="at most 200"):
            await site.internal.users(["alice"] * 201)


class TestDisplayNames:
    @pytest.mark.parametrize(
        "name",
        ["alice", "ALICE", "al1ce", "\u0430lice", "al\u200bice", "@alice", "* alice *", "alice \u2713", "Alic\u00e9"],
    )
    async def test_a_display_name_that_looks_like_the_username_of_another_is_refused(
        self, site: AuthSite, name: str
    ) -> None:
        await site.register("alice")
        await site.register("bob1")
        with pytest.raises(ChatError, match="looks like another user's username") as refused:
            await site.internal.check_display_name(2, name)
        assert refused.value.code is Code.DISPLAY_NAME_INVALID
        await site.internal.check_display_name(1, name)

    @pytest.mark.parametrize("name", ["admin", "~ Adm1n ~", "\u0430dmin"])
    async def test_a_display_name_that_looks_reserved_is_refused(self, site: AuthSite, name: str) -> None:
        with pytest.raises(ChatError, match="reserved"):
            await site.internal.check_display_name(1, name)

    @pytest.mark.parametrize("name", ["Alice Liddell", "alic", "Malice", "\U0001f431", "...", "\u674e\u96f7"])
    async def test_a_display_name_that_only_contains_a_username_is_allowed(self, site: AuthSite, name: str) -> None:
        await site.register("alice")
        await site.internal.check_display_name(2, name)


class TestOtherServices:
    async def test_other_services_can_verify_tokens_and_fetch_revocations(self, site: AuthSite) -> None:
        token = await site.registered()
        verifier = TokenVerifier(site.internal.jwks, site.clock)
        assert (await verifier.verify(token)).name == "alice"
        await site.http.post("/logout", headers=bearing(token))
        verifier.revoke(await revoked(site))
        with pytest.raises(ChatError) as refused:
            await verifier.verify(token)
        assert refused.value.code is Code.SESSION_ENDED

    async def test_concurrent_verifications_fetch_the_keys_once(self, site: AuthSite) -> None:
        token, fetched = await site.registered(), 0

        async def jwks() -> object:
            nonlocal fetched
            fetched += 1
            return await site.internal.jwks()

        verifier = TokenVerifier(jwks, site.clock)  # type: ignore[arg-type]
        await asyncio.gather(*(verifier.verify(token) for _ in range(50)))
        assert fetched == 1


class TestBan:
    async def test_a_ban_ends_every_session_and_refuses_the_right_password(self, site: AuthSite) -> None:
        token = await site.registered()
        assert await call(site.internal_http, "POST", "/internal/ban", {"username": "ALICE"}, UserInfo) == UserInfo(
            1, "alice"
        )
        assert refusal(await site.sessions(token)) == (401, "session_ended")
        assert site.revoked == [sid_of(token)]
        banned, wrong = await site.try_login(), await site.try_login("alice", "wrong-password")
        assert banned.content == wrong.content

    async def test_unban_allows_logins_again(self, site: AuthSite) -> None:
        await site.register()
        for path in ("/internal/ban", "/internal/unban"):
            await call(site.internal_http, "POST", path, {"username": "alice"}, UserInfo)
        assert (await site.try_login()).status_code == 200

    async def test_banning_an_unknown_user_is_refused(self, site: AuthSite) -> None:
        with pytest.raises(ChatError, match="user_unknown"):
            await call(site.internal_http, "POST", "/internal/ban", {"username": "nobody1"}, UserInfo)


class TestHealth:
    @pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
    async def test_health_checks_return_ok(self, site: AuthSite, path: str) -> None:
        response = await site.http.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_client_with_the_service_key_may_call_internal_routes(site: AuthSite) -> None:
    client: httpx.AsyncClient = in_process(site.app, "k" * 32)
    async with client:
        assert (await client.get("/internal/jwks")).status_code == 200
