"""The access token, renewed before it expires."""

from pathlib import Path

import httpx
import pytest

from client.failures import Failure, NotLoggedIn
from client.net.http_api import HttpApi
from client.net.token_source import TokenSource
from client.store.session_file import SavedSession, SessionFile

SERVER = "http://127.0.0.1:8000"


@pytest.fixture
def file(tmp_path: Path) -> SessionFile:
    file = SessionFile(tmp_path, SERVER)
    file.save(SavedSession(SERVER, "alice", "old", "s", expires_at=1000, lifetime_s=100))
    return file


def tokens(file: SessionFile, now_s: float, status: int = 200) -> TokenSource:
    body = {"token": "new", "expires_in": 100, "session": "s", "username": "alice"}
    refusal = {"code": "session_ended", "detail": "The session has ended."}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer old"
        return httpx.Response(status, json=body if status == 200 else refusal)

    def api(server: str, token: str) -> HttpApi:
        return HttpApi(server, token, httpx.MockTransport(answer))

    return TokenSource(file, api, lambda: now_s)


async def test_fresh_token_is_not_renewed(file: SessionFile) -> None:
    assert await tokens(file, 940).fresh() == "old"


async def test_old_token_is_renewed_and_saved(file: SessionFile) -> None:
    assert await tokens(file, 960).fresh() == "new"
    session = file.load()
    assert session is not None
    assert (session.token, session.expires_at) == ("new", 1060)


async def test_old_token_is_used_while_the_server_is_unreachable(file: SessionFile) -> None:
    assert await tokens(file, 960, status=503).fresh() == "old"


@pytest.mark.parametrize("status", [200, 302, 401, 403, 511])
async def test_old_token_is_used_while_a_portal_answers(file: SessionFile, status: int) -> None:
    def portal(server: str, token: str) -> HttpApi:
        return HttpApi(server, token, httpx.MockTransport(lambda _: httpx.Response(status, text="<h1>Sign in</h1>")))

    assert await TokenSource(file, portal, lambda: 960).fresh() == "old"


async def test_ended_session_raises_not_logged_in(file: SessionFile) -> None:
    with pytest.raises(NotLoggedIn, match="has ended"):
        await tokens(file, 960, status=401).fresh()


@pytest.mark.parametrize("now_s", [1001, 1_000_000])
async def test_token_expired_by_the_local_clock_is_still_used(file: SessionFile, now_s: float) -> None:
    assert await tokens(file, now_s, status=503).fresh() == "old"
    with pytest.raises(NotLoggedIn, match="has ended"):
        await tokens(file, now_s, status=401).fresh()
    assert await tokens(file, now_s).fresh() == "new"


async def test_missing_session_raises_not_logged_in(tmp_path: Path) -> None:
    with pytest.raises(NotLoggedIn, match="not logged in at"):
        await TokenSource(SessionFile(tmp_path, SERVER)).fresh()


async def test_token_that_the_server_called_expired_is_renewed_whatever_the_local_clock_says(file: SessionFile) -> None:
    assert await tokens(file, 0).fresh() == "old"
    assert await tokens(file, 0).fresh("old") == "new"
    assert await tokens(file, 0).fresh("old") == "new"


def test_token_for_an_http_request_is_renewed_before_it_is_used(file: SessionFile) -> None:
    assert tokens(file, 1001, status=503).token() == "old"
    assert tokens(file, 1001).token() == "new"


async def test_renewed_token_is_used_although_it_can_not_be_saved(
    file: SessionFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Failure("Read-only file system")

    monkeypatch.setattr(SessionFile, "save", refuse)
    assert await tokens(file, 960).fresh() == "new"
