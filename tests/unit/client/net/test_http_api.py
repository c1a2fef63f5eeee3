"""The HTTP API: what is sent, and every error as a failure."""

from collections.abc import Callable

import httpx
import pytest

from client.failures import Failure, NotLoggedIn, ServerRefused, Unreachable
from client.net.http_api import HttpApi

SERVER = "http://127.0.0.1:8000"
LOGIN = {"token": "t", "token_type": "bearer", "expires_in": 43200, "session": "s", "username": "Alice"}


def api(answer: Callable[[httpx.Request], httpx.Response], token: str | None = None) -> HttpApi:
    return HttpApi(SERVER, token, httpx.MockTransport(answer))


def says(status: int, body: object = None, text: str | None = None) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, text=text) if text else httpx.Response(status, json=body)


class TestCalls:
    def test_login_returns_a_session(self) -> None:
        with api(says(200, LOGIN)) as server:
            session = server.login("alice", "pw").as_session(SERVER, now_s=1000)
        assert (session.username, session.expires_at, session.lifetime_s) == ("Alice", 44200, 43200)

    def test_token_is_sent_in_a_header_only(self) -> None:
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={"message": "Session terminated"})

        with api(answer, "secret") as server:
            server.logout()
        assert seen[0].headers["authorization"] == "Bearer secret"
        assert "secret" not in str(seen[0].url)
        assert seen[0].headers["user-agent"].startswith("chatterbox/")

    def test_session_id_is_quoted_in_the_path(self) -> None:
        seen: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.url.raw_path.decode())
            return httpx.Response(200, json={"message": "Session terminated"})

        with api(answer, "t") as server:
            server.end_session("../logout?x=1")
        assert seen == ["/sessions/..%2Flogout%3Fx%3D1"]


class TestFailures:
    @pytest.mark.parametrize(
        ("answer", "kind", "sentence"),
        [
            (says(409, {"code": "username_taken", "detail": "Taken."}), ServerRefused, "Taken."),
            (says(401, {"code": "credentials_invalid", "detail": "Wrong."}), ServerRefused, "Wrong."),
            (says(401, {"code": "session_ended", "detail": "Log in again."}), NotLoggedIn, "The session has ended."),
            (says(401, {"code": "token_invalid", "detail": "No token."}), NotLoggedIn, "no longer accepts this login"),
            (says(401, {"code": "token_expired", "detail": "Expired."}), NotLoggedIn, "The login has expired."),
            (
                says(429, {"code": "login_throttled", "detail": "Slow.", "retry_after_s": 29.6}),
                ServerRefused,
                "Slow. Try again in 30 s.",
            ),
            (says(503, {"code": "unavailable", "detail": "Away."}), Unreachable, "Away."),
            (says(502, text="bad gateway"), Unreachable, "502 Bad Gateway"),
            (says(200, ["not a login"]), Unreachable, "does not respond like a Chatterbox server"),
        ],
    )
    def test_http_error_becomes_a_failure_with_a_sentence(
        self, answer: Callable[[httpx.Request], httpx.Response], kind: type[Failure], sentence: str
    ) -> None:
        with api(answer) as server, pytest.raises(kind, match=sentence):
            server.login("alice", "pw")

    def test_unreachable_server_is_named_with_the_reason(self) -> None:
        with HttpApi("http://127.0.0.1:9") as server, pytest.raises(Unreachable) as raised:
            server.login("alice", "pw")
        assert "Can't reach http://127.0.0.1:9: connection refused" in str(raised.value)

    def test_unknown_host_is_reported(self) -> None:
        with HttpApi("http://nowhere.invalid") as server, pytest.raises(Unreachable, match="host not found"):
            server.login("alice", "pw")


FOREIGN = [
    *(pytest.param(says(status, text="<html>"), id=f"{status} HTML") for status in (200, 302, 401, 403, 404, 407, 511)),
    pytest.param(says(401, {"error": "unauthorized"}), id="401 JSON"),
    pytest.param(says(401, {"code": "login_required", "detail": "Log in at the portal."}), id="401 unknown code"),
    pytest.param(says(200, {}), id="200 JSON"),
]
CALLS: list[Callable[[HttpApi], object]] = [
    HttpApi.logout,
    HttpApi.renew,
    HttpApi.sessions,
    lambda api: api.register("alice", "pw"),
    lambda api: api.login("alice", "pw"),
    lambda api: api.end_session("s"),
    lambda api: api.members("general"),
]


class TestForeignResponses:
    @pytest.mark.parametrize("call", CALLS, ids=["logout", "renew", "sessions", "register", "login", "end", "members"])
    @pytest.mark.parametrize("answer", FOREIGN)
    def test_response_that_is_not_chatterbox_json_means_unreachable(
        self, answer: Callable[[httpx.Request], httpx.Response], call: Callable[[HttpApi], object]
    ) -> None:
        with api(answer, "t") as server, pytest.raises(Unreachable, match="does not respond like a Chatterbox server"):
            call(server)

    def test_proxy_that_removes_the_token_does_not_end_the_login(self) -> None:
        removed = says(401, {"code": "token_missing", "detail": "No token."})
        with api(removed, "t") as server, pytest.raises(Unreachable, match="removes the header Authorization"):
            server.logout()
