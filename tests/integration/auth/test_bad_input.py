"""Invalid requests to auth are refused with a stable code, and never cause an internal error."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.auth_site import PASSWORD, AuthSite, bearing, refusal, running

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GOOD = {"username": "alice", "password": PASSWORD}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AuthSite]:
    """One auth for all: what it refuses changes nothing."""
    async with running(tmp_path_factory.mktemp("auth")) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_traces(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


@pytest.mark.parametrize("path", ["/register", "/login"])
class TestRequestBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"[" * 20_000,
            b'{"username": "alice", "password": "\xff\xff\xff\xff\xff\xff\xff\xff"}',
        ],
        ids=["empty", "half", "not UTF-8", "nested deeply", "not UTF-8 within"],
    )
    async def test_a_body_that_is_not_json_is_refused(self, site: AuthSite, path: str, body: bytes) -> None:
        status, code = refusal(await site.http.post(path, content=body, headers=JSON))
        assert (status, code) in {(400, "bad_request"), (422, "bad_request")}

    @pytest.mark.parametrize(
        "body",
        [
            None, [], [GOOD], 7, "x", {}, {"username": "alice"}, {"password": PASSWORD},
            {**GOOD, "username": 7}, {**GOOD, "password": None}, {**GOOD, "password": [PASSWORD]},
            {**GOOD, "username": {"a": 1}}, {**GOOD, "password": float("nan")},
        ],
        ids=repr,
    )  # fmt: skip
    async def test_a_body_with_missing_or_wrong_fields_is_refused(
        self, site: AuthSite, path: str, body: object
    ) -> None:
        response = await site.http.post(path, content=json.dumps(body), headers=JSON)
        assert response.status_code in {400, 422}
        assert refusal(response)[1] == "bad_request"

    @pytest.mark.parametrize(
        ("body", "headers"),
        [(b"[]", JSON), (b"null", JSON), (b"7", JSON), (b"{", {}), (b"", {}), (b"x", {"Content-Type": "text/plain"})],
    )
    async def test_a_body_that_is_not_an_object_is_refused_with_the_expected_format(
        self, site: AuthSite, path: str, body: bytes, headers: dict[str, str]
    ) -> None:
        refused = (await site.http.post(path, content=body, headers=headers)).json()
        assert refused["detail"] in {
            "The body must be a JSON object with Content-Type application/json.",
            "The body is not JSON.",  # where the Content-Type is optional
        }

    @pytest.mark.parametrize("field", ["username", "password"])
    async def test_a_lone_surrogate_is_refused(self, site: AuthSite, path: str, field: str) -> None:
        body = json.dumps({**GOOD, field: "abcdefgh\ud800"})
        response = await site.http.post(path, content=body, headers=JSON)
        assert response.status_code in {400, 422}
        assert refusal(response)[1] == "bad_request"

    async def test_unknown_fields_are_ignored(self, site: AuthSite, path: str) -> None:
        await site.register()
        response = await site.http.post(path, json={**GOOD, "new": [1]})
        assert response.status_code in {200, 409}

    async def test_a_body_of_65537_bytes_gets_413(self, site: AuthSite, path: str) -> None:
        response = await site.http.post(path, content=b"x" * 65_537, headers=JSON)
        assert refusal(response) == (413, "bad_request")

    async def test_a_chunked_body_of_65537_bytes_gets_413(self, site: AuthSite, path: str) -> None:
        async def pieces() -> Any:
            for _ in range(65_537):
                yield b"x"

        assert refusal(await site.http.post(path, content=pieces(), headers=JSON)) == (413, "bad_request")

    async def test_a_refusal_does_not_echo_the_password(self, site: AuthSite, path: str) -> None:
        body = '{"username": 7, "password": "canary-secret"}'
        assert "canary-secret" not in (await site.http.post(path, content=body, headers=JSON)).text


class TestLoginForm:
    @pytest.mark.parametrize(
        "body",
        [b"", b"username=alice", b"username=alice&password=%ff%fe", b"\xff=1", b"&".join([b"a=1"] * 100), b"{}"],
    )
    async def test_a_malformed_login_form_gets_422(self, site: AuthSite, body: bytes) -> None:
        assert refusal(await site.http.post("/login", content=body, headers=FORM)) == (422, "bad_request")


class TestUnknownRoutes:
    @pytest.mark.parametrize(
        ("method", "path", "expected"),
        [
            ("GET", "/nothing", (404, "not_found")),
            ("GET", "/login", (405, "method_not_allowed")),
            ("PUT", "/sessions", (405, "method_not_allowed")),
            ("GET", "/sessions/", (404, "not_found")),
            ("GET", "/docs", (404, "not_found")),
            ("GET", "/openapi.json", (404, "not_found")),
        ],
    )
    async def test_an_unknown_path_or_method_is_refused_with_its_code(
        self, site: AuthSite, method: str, path: str, expected: tuple[int, str]
    ) -> None:
        assert refusal(await site.http.request(method, path)) == expected


class TestPasswordChange:
    @pytest.mark.parametrize("body", [{}, {"old": PASSWORD}, {"old": 1, "new": 2}])
    async def test_a_password_change_needs_old_and_new_password(self, site: AuthSite, body: dict[str, Any]) -> None:
        headers = bearing(await site.registered())
        assert refusal(await site.http.post("/password", json=body, headers=headers)) == (422, "bad_request")
