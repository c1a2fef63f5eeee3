"""The handshake and the gateway's first words."""

import json

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from client.doctor.answers import Answer
from client.doctor.upgrade import UPGRADE, Greeting, Shut, judge_no_token, judge_opened, judge_shut, judge_token
from client.doctor.verdict import Status

WELCOME = frames.Welcome(
    username="ada", session="s", connection="c", server="chatterbox/1 here", limits=Limits(), ping_s=20, rooms=[]
)
ACCEPTED = Answer(200, body=b"[]")


def ours(status: int, code: str) -> Answer:
    return Answer(status, body=json.dumps({"code": code, "detail": "A sentence."}).encode())


def error(code: str) -> Greeting:
    return Greeting(frames.Error(code=code, detail="A \x1b sentence."))


class TestAHandshake:
    def test_that_succeeds_is_fine(self) -> None:
        assert judge_opened(0.01).status is Status.OK

    @pytest.mark.parametrize(
        "shut",
        [
            Shut(Answer(200)),
            Shut(Answer(400)),
            Shut(Answer(404)),
            Shut(Answer(426)),
            Shut(ours(404, Code.NOT_FOUND)),
            Shut(ours(405, Code.METHOD_NOT_ALLOWED)),
            Shut(Answer(problem="missing Upgrade header"), malformed=True),
            Shut(Answer(problem="the connection was reset")),
        ],
    )
    def test_without_upgrade_names_the_headers_for_each_proxy(self, shut: Shut) -> None:
        verdict = judge_shut(shut)
        assert verdict.status is Status.FAILED
        assert UPGRADE in verdict.advice

    @pytest.mark.parametrize(
        ("status", "word"),
        [(502, "start one"), (503, "start one"), (504, "start one"), (301, "leads elsewhere"), (403, "tokens guard"),
         (500, "Only 101")],
    )  # fmt: skip
    def test_that_a_proxy_answers_otherwise_says_so(self, status: int, word: str) -> None:
        assert word in judge_shut(Shut(Answer(status))).advice

    @pytest.mark.parametrize(
        ("status", "code", "word"),
        [
            (429, Code.TOO_MANY_CONNECTIONS, "CHATTERBOX_TRUSTED_PROXIES"),
            (403, Code.ORIGIN_REFUSED, "Origin"),
            (503, Code.UNAVAILABLE, "Try again"),
        ],
    )
    def test_that_the_server_refuses_is_told_in_its_words(self, status: int, code: str, word: str) -> None:
        verdict = judge_shut(Shut(ours(status, code)))
        assert verdict.seen == f"Chatterbox refuses the handshake, {status} {code}: A sentence."
        assert word in verdict.advice


class TestAToken:
    def test_that_is_welcomed_is_fine(self) -> None:
        verdict = judge_token(Greeting(WELCOME), ACCEPTED)
        assert (verdict.status, verdict.seen) == (Status.OK, "welcomed as ada by chatterbox/1 here")

    def test_that_gets_through_by_a_frame_only_is_warned_of(self) -> None:
        assert judge_token(Greeting(WELCOME, by_frame=True), ACCEPTED).status is Status.WARNING

    def test_that_is_taken_out_over_http_fails(self) -> None:
        missing = ours(401, Code.TOKEN_MISSING)
        for verdict in (judge_token(Greeting(WELCOME), missing), judge_no_token(error(Code.TOKEN_MISSING), missing)):
            assert verdict.status is Status.FAILED
            assert "Authorization" in verdict.advice

    @pytest.mark.parametrize("code", [Code.TOKEN_EXPIRED, Code.TOKEN_INVALID, Code.SESSION_ENDED])
    def test_whose_session_is_over_shows_that_the_way_is_open(self, code: str) -> None:
        verdict = judge_token(error(code), ours(401, code))
        assert verdict.status is Status.WARNING
        assert verdict.advice.endswith("chatterbox login")
        assert "\x1b" not in verdict.seen

    def test_that_comes_with_too_many_connections_is_told_so(self) -> None:
        verdict = judge_token(error(Code.TOO_MANY_CONNECTIONS), ACCEPTED)
        assert verdict.status is Status.FAILED
        assert "too_many_connections" in verdict.seen

    def test_that_nobody_has_is_asked_for(self) -> None:
        assert judge_no_token(error(Code.TOKEN_MISSING), ours(401, Code.TOKEN_INVALID)).status is Status.OK

    @pytest.mark.parametrize("greeting", [Greeting(None), Greeting(None, closed="the line was cut")])
    def test_that_is_met_with_silence_fails(self, greeting: Greeting) -> None:
        assert judge_token(greeting, ACCEPTED).status is Status.FAILED
        assert judge_no_token(greeting, ours(401, Code.TOKEN_INVALID)).status is Status.FAILED

    def test_refused_by_a_code_of_a_later_version_is_told_all_the_same(self) -> None:
        assert "of_tomorrow" in judge_token(error("of_tomorrow"), ACCEPTED).seen
