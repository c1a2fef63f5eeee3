"""The handshake and the gateway's first words."""

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


def ours(status: int, code: str) -> HttpAnswer:
    return HttpAnswer(status, body=json.dumps({"code": code, "detail": "A sentence."}).encode())


def error(code: str) -> FirstFrame:
    return FirstFrame(frames.ErrorFrame(code=code, detail="A \x1b sentence."))


class TestAHandshake:
    def test_that_succeeds_is_fine(self) -> None:
        assert judge_opened(0.01).status is CheckStatus.OK

    @pytest.mark.parametrize(
        "shut",
        [
            FailedHandshake(HttpAnswer(200)),
            FailedHandshake(HttpAnswer(400)),
            FailedHandshake(HttpAnswer(404)),
            FailedHandshake(HttpAnswer(426)),
            FailedHandshake(ours(404, Code.NOT_FOUND)),
            FailedHandshake(ours(405, Code.METHOD_NOT_ALLOWED)),
            FailedHandshake(HttpAnswer(problem="missing Upgrade header"), malformed=True),
            FailedHandshake(HttpAnswer(problem="the connection was reset")),
        ],
    )
    def test_without_upgrade_names_the_headers_for_each_proxy(self, shut: FailedHandshake) -> None:
        verdict = judge_failed_handshake(shut)
        assert verdict.status is CheckStatus.FAILED
        assert UPGRADE in verdict.advice

    @pytest.mark.parametrize(
        ("status", "word"),
        [(502, "start one"), (503, "start one"), (504, "start one"), (301, "/ws redirects to"), (403, "tokens protect"),
         (500, "must be 101")],
    )  # fmt: skip
    def test_that_a_proxy_answers_otherwise_says_so(self, status: int, word: str) -> None:
        assert word in judge_failed_handshake(FailedHandshake(HttpAnswer(status))).advice

    @pytest.mark.parametrize(
        ("status", "code", "word"),
        [
            (429, Code.TOO_MANY_CONNECTIONS, "CHATTERBOX_TRUSTED_PROXIES"),
            (403, Code.ORIGIN_REFUSED, "Origin"),
            (503, Code.UNAVAILABLE, "Try again"),
        ],
    )
    def test_that_the_server_refuses_is_told_in_its_words(self, status: int, code: str, word: str) -> None:
        verdict = judge_failed_handshake(FailedHandshake(ours(status, code)))
        assert verdict.seen == f"Chatterbox refuses the handshake, {status} {code}: A sentence."
        assert word in verdict.advice


class TestAToken:
    def test_that_is_welcomed_is_fine(self) -> None:
        verdict = judge_token(FirstFrame(WELCOME), ACCEPTED)
        assert (verdict.status, verdict.seen) == (CheckStatus.OK, "welcomed as ada by chatterbox/1 here")

    def test_that_gets_through_by_a_frame_only_is_warned_of(self) -> None:
        assert judge_token(FirstFrame(WELCOME, by_frame=True), ACCEPTED).status is CheckStatus.WARNING

    def test_that_is_taken_out_over_http_fails(self) -> None:
        missing = ours(401, Code.TOKEN_MISSING)
        for verdict in (judge_token(FirstFrame(WELCOME), missing), judge_no_token(error(Code.TOKEN_MISSING), missing)):
            assert verdict.status is CheckStatus.FAILED
            assert "Authorization" in verdict.advice

    @pytest.mark.parametrize("code", [Code.TOKEN_EXPIRED, Code.TOKEN_INVALID, Code.SESSION_ENDED])
    def test_whose_session_is_over_shows_that_the_way_is_open(self, code: str) -> None:
        verdict = judge_token(error(code), ours(401, code))
        assert verdict.status is CheckStatus.WARNING
        assert verdict.advice.endswith("chatterbox login")
        assert "\x1b" not in verdict.seen

    def test_that_comes_with_too_many_connections_is_told_so(self) -> None:
        verdict = judge_token(error(Code.TOO_MANY_CONNECTIONS), ACCEPTED)
        assert verdict.status is CheckStatus.FAILED
        assert "too_many_connections" in verdict.seen

    def test_that_nobody_has_is_asked_for(self) -> None:
        assert judge_no_token(error(Code.TOKEN_MISSING), ours(401, Code.TOKEN_INVALID)).status is CheckStatus.OK

    @pytest.mark.parametrize("greeting", [FirstFrame(None), FirstFrame(None, closed="the line was cut")])
    def test_that_is_met_with_silence_fails(self, greeting: FirstFrame) -> None:
        assert judge_token(greeting, ACCEPTED).status is CheckStatus.FAILED
        assert judge_no_token(greeting, ours(401, Code.TOKEN_INVALID)).status is CheckStatus.FAILED

    def test_refused_by_a_code_of_a_later_version_is_told_all_the_same(self) -> None:
        assert "of_tomorrow" in judge_token(error("of_tomorrow"), ACCEPTED).seen
