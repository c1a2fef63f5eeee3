"""HTTP jobs that commands and chats share: members and sessions."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from client.context import ClientContext
from client.core import notes
from client.failures import ServerRefused
from client.net import http_jobs
from client.net.http_api import HttpApi
from client.store.name_cache import NameCache
from client.store.session_file import SavedSession, SessionFile

SERVER = "http://127.0.0.1:8000"
IDS = ["5b1c0aaa", "5b1c0bbb", "77aa0000"]


def session(session_id: str, *, current: bool = False) -> dict[str, object]:
    at = "2026-11-23T10:00:00.000Z"
    last_used, ends = "2026-11-29T10:00:00.000Z", "2026-12-23T10:00:00.000Z"
    times = {"created": at, "last_used": last_used, "expires": at, "ends": ends}
    return {"id": session_id, **times, "user_agent": "cli\x1b[2J on mill", "address": "192.0.2.7", "current": current}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(f"{request.method} {request.url.path}")
        if request.url.path == "/sessions":
            return httpx.Response(200, json=[session(name, current=name == IDS[2]) for name in IDS])
        if request.url.path == "/rooms/opps/members":
            return httpx.Response(404, json={"code": "room_unknown", "detail": "No such room."})
        if request.url.path == "/invitations":
            invitation = {"room": "ops", "by": "mal\x1b[2J", "created": "2026-11-23T10:00:00.000Z"}
            return httpx.Response(200, json=[invitation])
        if request.url.path == "/blocks":
            return httpx.Response(200, json=["mal\x1b[2J", "bob"])
        if request.url.path.startswith(("/invitations/", "/blocks/")):
            return httpx.Response(204)
        if request.url.path.endswith("/members"):
            return httpx.Response(200, json=["bob", "Alice", "mal\x1b]0;x\x07"])
        return httpx.Response(200, json={"message": "Session terminated"})

    def api(address: str, token: str | None = None) -> HttpApi:
        return HttpApi(address, token, httpx.MockTransport(answer))

    monkeypatch.setattr(http_jobs, "HttpApi", api)
    return paths


@pytest.fixture
def context(tmp_path: Path) -> ClientContext:
    SessionFile(tmp_path, SERVER).save(SavedSession(SERVER, "alice", "t", IDS[2], expires_at=4e9, lifetime_s=100))
    return ClientContext(SERVER, tmp_path)


@pytest.fixture
def known(tmp_path: Path) -> NameCache:
    return NameCache(tmp_path / "known.json")


def test_all_other_sessions_can_be_ended_at_once(asked: list[str], context: ClientContext, known: NameCache) -> None:
    assert http_jobs.end_session(context, "others", known) == "2 other sessions ended."
    assert asked == ["GET /sessions", "DELETE /sessions/5b1c0aaa", "DELETE /sessions/5b1c0bbb"]
    assert known.names.sessions == ()
    assert context.session_file.load() is not None


def test_invitations_and_blocked_users_are_listed_inert(asked: list[str], context: ClientContext) -> None:
    [line] = http_jobs.invitations(context)
    assert line.startswith("#ops  from mal␛[2J, 2026-11-23")
    assert http_jobs.blocks(context) == ["mal␛[2J", "bob"]


def test_invitation_is_declined_and_its_sender_blocked_and_unblocked(asked: list[str], context: ClientContext) -> None:
    assert http_jobs.decline(context, "ops") == "Declined the invitation to #ops."
    blocked = "You get no more invitations and direct messages from bob. To allow them again: unblock bob"
    assert http_jobs.block(context, "bob") == blocked
    assert http_jobs.unblock(context, "bob") == "bob can invite you and write to you again."
    assert asked == ["DELETE /invitations/ops", "PUT /blocks/bob", "DELETE /blocks/bob"]


def test_members_are_sorted_inert_and_cached(asked: list[str], context: ClientContext, known: NameCache) -> None:
    assert http_jobs.members(context, "ops", known) == ["Alice", "bob", "mal␛]0;x␇"]
    assert asked == ["GET /rooms/ops/members"]
    assert known.names.people[:2] == ("Alice", "bob")


def test_members_of_an_unknown_room_suggest_a_room(asked: list[str], context: ClientContext, known: NameCache) -> None:
    with pytest.raises(ServerRefused, match=r"^No room #opps \(or it is private and you are not in it\)\.$"):
        http_jobs.members(context, "opps", known)
    known.learning(lambda _: None)(notes.RoomEntered("ops", ()))
    with pytest.raises(ServerRefused, match=r"Did you mean #ops\?$"):
        http_jobs.members(context, "opps", known)


@pytest.mark.parametrize("told", [notes.RoomEntered("opps", ()), notes.RoomGone("opps")])
def test_members_of_a_room_that_the_user_left_suggest_an_invitation(
    asked: list[str], context: ClientContext, known: NameCache, told: notes.Note
) -> None:
    known.learning(lambda _: None)(told)
    with pytest.raises(ServerRefused) as refusal:
        http_jobs.members(context, "opps", known)
    assert str(refusal.value) == (
        "No room #opps (or it is private and you are not in it). Ask a member to invite you again."
    )


def test_room_name_is_quoted_in_the_path(asked: list[str], context: ClientContext, known: NameCache) -> None:
    http_jobs.members(context, "../x", known)
    assert asked == ["GET /rooms/../x/members"]


def test_other_sessions_are_cached(asked: list[str], context: ClientContext, known: NameCache) -> None:
    lines = http_jobs.sessions(context, known)
    assert lines[0].startswith(f"{IDS[0]}  last used 2026-11-29 ")
    assert " on mill from 192.0.2.7, cli␛[2J, began" in lines[0]
    assert ", began 2026-11-23 " in lines[0]
    assert ", ends 2026-12-23 " in lines[0]
    assert lines[2].endswith("  (this one)")
    assert known.names.sessions == (IDS[0], IDS[1])


@pytest.mark.parametrize("beginning", [IDS[0], "5b1c0a"])
def test_session_is_ended_by_the_start_of_its_id(
    asked: list[str], context: ClientContext, known: NameCache, beginning: str
) -> None:
    assert http_jobs.end_session(context, beginning, known).startswith(f"Session ended: {IDS[0]}")
    assert asked[-1] == f"DELETE /sessions/{IDS[0]}"
    assert known.names.sessions == (IDS[1],)
    assert context.session_file.load() is not None


def test_ending_this_session_deletes_its_file(asked: list[str], context: ClientContext, known: NameCache) -> None:
    assert http_jobs.end_session(context, IDS[2], known) == "Logged out."
    assert context.session_file.load() is None


def test_ending_the_session_of_a_chat_makes_the_chat_log_out(
    asked: list[str], context: ClientContext, known: NameCache
) -> None:
    told: list[str] = []
    assert http_jobs.end_session(context, IDS[2], known, lambda: told.append("log out")) == "Logging out."
    assert (told, asked) == (["log out"], ["GET /sessions"])
    assert context.session_file.load() is not None


@pytest.mark.parametrize(
    ("beginning", "sentence"),
    [("5b1c", "2 sessions start with 5b1c"), ("9999", "No session with the id 9999"), ("5", "4 char")],
)
def test_unknown_or_ambiguous_session_id_ends_none(
    asked: list[str], context: ClientContext, known: NameCache, beginning: str, sentence: str
) -> None:
    with pytest.raises(ServerRefused, match=sentence):
        http_jobs.end_session(context, beginning, known)
    assert asked == ["GET /sessions"]


def test_http_jobs_need_a_session(context: ClientContext, known: NameCache) -> None:
    context.session_file.delete()
    ask: Callable[[], object] = lambda: http_jobs.sessions(context, known)  # noqa: E731
    with pytest.raises(Exception, match="not logged in"):
        ask()
