"""The command `unread`: its lines and its exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from client.commands.unread_command import unread
from client.context import ClientContext
from client.failures import ExitCode, Unreachable
from client.net import http_jobs
from client.net.http_api import HttpApi
from client.store.session_file import SavedSession, SessionFile

SERVER = "http://127.0.0.1:8000"
Answer = Callable[[httpx.Response], None]


@pytest.fixture
def context(tmp_path: Path) -> ClientContext:
    SessionFile(tmp_path, SERVER).save(SavedSession(SERVER, "alice", "t", "s", expires_at=4e9, lifetime_s=100))
    return ClientContext(SERVER, tmp_path)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    def with_response(response: httpx.Response) -> None:
        transport = httpx.MockTransport(lambda _: response)
        monkeypatch.setattr(http_jobs, "HttpApi", lambda server, token: HttpApi(server, token, transport))

    return with_response


def room(name: str, unread: int, mentions: int = 0) -> dict[str, object]:
    return {"room": name, "read": 1, "turn": 0, "unread": unread, "mentions": mentions, "counted": 9, "new": True}


def test_rooms_with_unread_messages_are_printed_those_with_mentions_first(
    context: ClientContext, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(httpx.Response(200, json=[room("ops", 7), room("@alice+bob", 2, 2), room("dev", 0)]))
    assert unread(context) is ExitCode.OK
    assert capsys.readouterr().out == "@bob  2 unread\n#ops  7 unread\n"


def test_json_has_one_object_a_room_with_the_name_that_the_client_uses(
    context: ClientContext, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(httpx.Response(200, json=[room("@alice+bob", 2, 2)]))
    assert unread(context, as_json=True) is ExitCode.OK
    assert json.loads(capsys.readouterr().out)["room"] == "@bob"


def test_exit_code_is_1_if_nothing_is_unread(
    context: ClientContext, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(httpx.Response(200, json=[]))
    assert unread(context) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (429, "rate_limited", "Too many reads."),
        (404, "not_found", "This server does not tell what is unread: it is older than this client."),
    ],
)
def test_refusal_is_told_apart_from_nothing_unread(
    context: ClientContext, answer: Answer, status: int, code: str, sentence: str
) -> None:
    answer(httpx.Response(status, json={"code": code, "detail": "Too many reads."}))
    with pytest.raises(Unreachable, match=sentence) as failure:
        unread(context)
    assert failure.value.exit == 4
