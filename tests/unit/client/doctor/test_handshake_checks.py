"""Results for the WebSocket handshake and the gateway's first frame."""

import json

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from client.doctor.handshake_checks import (
    UPGRADE,
    FailedHandshake,
    FirstFrame,
    judge_failed_handshake,
    judge_no_token,
    judge_opened,
    judge_token,
)
from client.doctor.http_checks import HttpAnswer
from client.doctor.verdict import CheckStatus

WELCOME = frames.Welcome(
    username="ada", session="s", connection="c", server="chatterbox/1 here", limits=Limits(), ping_s=20, rooms=[]
)
ACCEPTED = HttpAnswer(200, body=b"[]")


def from_chatterbox(status: int, code: str) -> HttpAnswer:
    return HttpAnswer(status, body=json.dumps({"code": code, "detail": "A sentence."}).encode())


def error(code: str) -> FirstFrame:
    return FirstFrame(frames.ErrorFrame(code=code, detail="A \x1b sentence."))


class TestHandshake:
    def test_an_opened_websocket_is_ok(self) -> None:
        assert judge_opened(0.01).status is CheckStatus.OK

    @pytest.mark.parametrize(
        "handshake",
        [
            FailedHandshake(HttpAnswer(200)),
            FailedHandshake(HttpAnswer(400)),
            FailedHandshake(HttpAnswer(404)),
            FailedHandshake(HttpAnswer(426)),
            FailedHandshake(from_chatterbox(404, Code.NOT_FOUND)),
            FailedHandshake(from_chatterbox(405, Code.METHOD_NOT_ALLOWED)),
            FailedHandshake(HttpAnswer(problem="missing Upgrade header"), malformed=True),
            FailedHandshake(HttpAnswer(problem="the connection was reset")),
        ],
    )
    def test_a_missing_upgrade_gets_advice_for_each_proxy(self, handshake: FailedHandshake) -> None:
        result = judge_failed_handshake(handshake)
        assert result.status is CheckStatus.FAILED
        assert UPGRADE in result.advice

    @pytest.mark.parametrize(
        ("status", "word"),
        [(502, "start one"), (503, "start one"), (504, "start one"), (301, "/ws redirects to"), (403, "tokens protect"),
         (500, "must be 101")],
    )  # fmt: skip
    def test_a_proxys_response_to_the_handshake_gets_advice(self, status: int, word: str) -> None:
        assert word in judge_failed_handshake(FailedHandshake(HttpAnswer(status))).advice

    @pytest.mark.parametrize(
        ("status", "code", "word"),
        [
            (429, Code.TOO_MANY_CONNECTIONS, "CHATTERBOX_TRUSTED_PROXIES"),
            (403, Code.ORIGIN_REFUSED, "Origin"),
            (503, Code.UNAVAILABLE, "Try again"),
        ],
    )
    def test_a_handshake_refused_by_the_server_shows_its_error(self, status: int, code: str, word: str) -> None:
        result = judge_failed_handshake(FailedHandshake(from_chatterbox(status, code)))
        assert result.seen == f"Chatterbox refuses the handshake, {status} {code}: A sentence."
        assert word in result.advice


class TestToken:
    def test_a_welcomed_token_is_ok(self) -> None:
        result = judge_token(FirstFrame(WELCOME), ACCEPTED)
        assert (result.status, result.seen) == (CheckStatus.OK, "welcomed as ada by chatterbox/1 here")

    def test_a_token_accepted_only_in_a_frame_is_a_warning(self) -> None:
        assert judge_token(FirstFrame(WELCOME, by_frame=True), ACCEPTED).status is CheckStatus.WARNING

    def test_an_authorization_header_removed_over_http_fails(self) -> None:
        missing = from_chatterbox(401, Code.TOKEN_MISSING)
        for result in (judge_token(FirstFrame(WELCOME), missing), judge_no_token(error(Code.TOKEN_MISSING), missing)):
            assert result.status is CheckStatus.FAILED
            assert "Authorization" in result.advice

    @pytest.mark.parametrize("code", [Code.TOKEN_EXPIRED, Code.TOKEN_INVALID, Code.SESSION_ENDED])
    def test_an_ended_session_is_only_a_warning(self, code: str) -> None:
        result = judge_token(error(code), from_chatterbox(401, code))
        assert result.status is CheckStatus.WARNING
        assert result.advice.endswith("chatterbox login")
        assert "\x1b" not in result.seen

    def test_too_many_connections_fails(self) -> None:
        result = judge_token(error(Code.TOO_MANY_CONNECTIONS), ACCEPTED)
        assert result.status is CheckStatus.FAILED
        assert "too_many_connections" in result.seen

    def test_without_a_login_a_missing_token_is_ok(self) -> None:
        assert (
            judge_no_token(error(Code.TOKEN_MISSING), from_chatterbox(401, Code.TOKEN_INVALID)).status is CheckStatus.OK
        )

    @pytest.mark.parametrize("first", [FirstFrame(None), FirstFrame(None, closed="the connection was cut")])
    def test_no_first_frame_fails(self, first: FirstFrame) -> None:
        assert judge_token(first, ACCEPTED).status is CheckStatus.FAILED
        assert judge_no_token(first, from_chatterbox(401, Code.TOKEN_INVALID)).status is CheckStatus.FAILED

    def test_an_unknown_error_code_is_shown(self) -> None:
        assert "of_tomorrow" in judge_token(error("of_tomorrow"), ACCEPTED).seen
