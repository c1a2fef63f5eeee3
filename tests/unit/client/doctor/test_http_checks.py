"""Who answers over HTTP: Chatterbox, a proxy, or something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import Code
from client.doctor.http_checks import HttpAnswer, judge_clock, judge_http
from client.doctor.verdict import SHOWN_CHARS, CheckStatus
from client.text.sanitize import is_dangerous

DATE = "Mon, 23 Nov 2026 09:00:00 GMT"
DATE_S = 1_795_424_400.0


def ours(status: int, code: str, detail: str = "A sentence.") -> HttpAnswer:
    return HttpAnswer(status, body=json.dumps({"code": code, "detail": detail}).encode())


def theirs(status: int, title: str = "Hello", **headers: str) -> HttpAnswer:
    return HttpAnswer(status, {"server": "nginx"} | headers, f"<title>{title}</title>".encode())


class TestChatterbox:
    def test_asks_for_a_token(self) -> None:
        assert judge_http(ours(401, Code.TOKEN_MISSING), None).status is CheckStatus.OK

    @pytest.mark.parametrize(
        ("status", "code", "word"),
        [(503, Code.UNAVAILABLE, "logs of auth"), (429, Code.RATE_LIMITED, "Wait"), (500, Code.INTERNAL, "traceback"),
         (404, Code.NOT_FOUND, "The server itself refuses the request")],
    )  # fmt: skip
    def test_that_refuses_is_told_in_its_words(self, status: int, code: str, word: str) -> None:
        verdict = judge_http(ours(status, code), None)
        assert verdict.status is CheckStatus.FAILED
        assert f"{code}: A sentence." in verdict.seen
        assert word in verdict.advice

    def test_is_not_whoever_answers_401(self) -> None:
        assert judge_http(ours(401, "other_code"), None).status is CheckStatus.FAILED
        assert judge_http(HttpAnswer(401, body=b'{"detail": "Not authenticated"}'), None).status is CheckStatus.FAILED


class TestOthers:
    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (theirs(502), "does not reach Chatterbox"),
            (theirs(503), "does not reach Chatterbox"),
            (theirs(504), "does not reach Chatterbox"),
            (theirs(308, location="https://other.example/"), "https://other.example/"),
            (theirs(302), "redirects to, ?"),
            (theirs(401), "login of its own"),
            (theirs(403), "login of its own"),
            (theirs(404), "passes this host's /register"),
            (theirs(200), "Another program"),
            (HttpAnswer(200, {"server": "Caddy"}), "no site of this name"),
            (theirs(799), "Another program"),
            (HttpAnswer(problem="no answer in time"), "proxy's log"),
        ],
    )
    def test_are_told_apart(self, answer: HttpAnswer, word: str) -> None:
        verdict = judge_http(answer, None)
        assert verdict.status is CheckStatus.FAILED
        assert word in verdict.advice

    def test_are_named(self) -> None:
        assert judge_http(theirs(502, "Sorry"), None).seen == 'not Chatterbox: 502 Bad Gateway from nginx ("Sorry")'

    def test_may_pass_the_reference_alone(self) -> None:
        reference = HttpAnswer(200, body=b'{"openapi":"3.1.0","info":{"title":"Chatterbox"}}')
        assert judge_http(theirs(404), reference).seen.startswith("/openapi.json is Chatterbox's")

    def test_may_nest_what_they_write_without_end(self) -> None:
        deep = HttpAnswer(200, body=b'{"x":' + b"[" * 200_000)
        assert judge_http(deep, deep).status is CheckStatus.FAILED

    @given(st.binary(), st.text(), st.text(), st.integers(0, 999))
    def test_can_write_nothing_that_a_terminal_obeys(self, body: bytes, server: str, title: str, status: int) -> None:
        page = body + f"<title>{title}</title>".encode(errors="replace")
        answer = HttpAnswer(status, {"server": server, "location": server}, page)
        verdict = judge_http(answer, HttpAnswer(200, body=page))
        assert not any(map(is_dangerous, verdict.seen + verdict.advice))
        assert len(verdict.seen) < 10 * SHOWN_CHARS


class TestTheClock:
    @pytest.mark.parametrize("off_s", [-5, 0, 5])
    def test_may_be_a_few_seconds_off(self, off_s: float) -> None:
        assert judge_clock(HttpAnswer(401, {"date": DATE}, at_s=DATE_S + 0.5 + off_s)).status is CheckStatus.OK

    @pytest.mark.parametrize(
        ("off_s", "said"),
        [(6, "6 s ahead of"), (-6, "6 s behind"), (600, "10 min ahead of"), (-86_400, "24 h behind")],
    )
    def test_that_is_further_off_is_warned_of(self, off_s: float, said: str) -> None:
        verdict = judge_clock(HttpAnswer(401, {"date": DATE}, at_s=DATE_S + 0.5 + off_s))
        assert verdict.status is CheckStatus.WARNING
        assert said in verdict.seen
        assert "NTP" in verdict.advice

    @pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": DATE, "age": "600"}, {"date": "\x00" * 9}])
    def test_can_not_be_compared_with_none(self, headers: dict[str, str]) -> None:
        assert judge_clock(HttpAnswer(401, headers, at_s=DATE_S)).status is CheckStatus.SKIPPED
