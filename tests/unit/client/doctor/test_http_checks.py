"""Results for HTTP responses from Chatterbox, a proxy, or another program."""

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


def from_chatterbox(status: int, code: str, detail: str = "A sentence.") -> HttpAnswer:
    return HttpAnswer(status, body=json.dumps({"code": code, "detail": detail}).encode())


def from_nginx(status: int, title: str = "Hello", **headers: str) -> HttpAnswer:
    return HttpAnswer(status, {"server": "nginx"} | headers, f"<title>{title}</title>".encode())


class TestChatterbox:
    def test_a_401_from_chatterbox_is_ok(self) -> None:
        assert judge_http(from_chatterbox(401, Code.TOKEN_MISSING), None).status is CheckStatus.OK

    @pytest.mark.parametrize(
        ("status", "code", "word"),
        [(503, Code.UNAVAILABLE, "logs of auth"), (429, Code.RATE_LIMITED, "Wait"), (500, Code.INTERNAL, "traceback"),
         (404, Code.NOT_FOUND, "The server itself refuses the request")],
    )  # fmt: skip
    def test_an_error_from_chatterbox_is_shown_with_advice(self, status: int, code: str, word: str) -> None:
        result = judge_http(from_chatterbox(status, code), None)
        assert result.status is CheckStatus.FAILED
        assert f"{code}: A sentence." in result.seen
        assert word in result.advice

    def test_a_401_from_another_program_fails(self) -> None:
        assert judge_http(from_chatterbox(401, "other_code"), None).status is CheckStatus.FAILED
        assert judge_http(HttpAnswer(401, body=b'{"detail": "Not authenticated"}'), None).status is CheckStatus.FAILED


class TestOtherPrograms:
    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (from_nginx(502), "does not reach Chatterbox"),
            (from_nginx(503), "does not reach Chatterbox"),
            (from_nginx(504), "does not reach Chatterbox"),
            (from_nginx(308, location="https://other.example/"), "https://other.example/"),
            (from_nginx(302), "redirects to, ?"),
            (from_nginx(401), "login of its own"),
            (from_nginx(403), "login of its own"),
            (from_nginx(404), "passes this host's /register"),
            (from_nginx(200), "Another program"),
            (HttpAnswer(200, {"server": "Caddy"}), "no site of this name"),
            (from_nginx(799), "Another program"),
            (HttpAnswer(problem="no answer in time"), "proxy's log"),
        ],
    )
    def test_each_kind_of_foreign_response_gets_its_advice(self, answer: HttpAnswer, word: str) -> None:
        result = judge_http(answer, None)
        assert result.status is CheckStatus.FAILED
        assert word in result.advice

    def test_a_foreign_server_is_named(self) -> None:
        assert judge_http(from_nginx(502, "Sorry"), None).seen == 'not Chatterbox: 502 Bad Gateway from nginx ("Sorry")'

    def test_a_proxy_that_passes_only_the_reference_is_detected(self) -> None:
        reference = HttpAnswer(200, body=b'{"openapi":"3.1.0","info":{"title":"Chatterbox"}}')
        assert judge_http(from_nginx(404), reference).seen.startswith("/openapi.json is Chatterbox's")

    def test_deeply_nested_json_is_handled(self) -> None:
        deep = HttpAnswer(200, body=b'{"x":' + b"[" * 200_000)
        assert judge_http(deep, deep).status is CheckStatus.FAILED

    @given(st.binary(), st.text(), st.text(), st.integers(0, 999))
    def test_foreign_text_is_safe_for_a_terminal(self, body: bytes, server: str, title: str, status: int) -> None:
        page = body + f"<title>{title}</title>".encode(errors="replace")
        answer = HttpAnswer(status, {"server": server, "location": server}, page)
        result = judge_http(answer, HttpAnswer(200, body=page))
        assert not any(map(is_dangerous, result.seen + result.advice))
        assert len(result.seen) < 10 * SHOWN_CHARS


class TestClock:
    @pytest.mark.parametrize("off_s", [-5, 0, 5])
    def test_a_clock_difference_of_5_s_is_ok(self, off_s: float) -> None:
        assert judge_clock(HttpAnswer(401, {"date": DATE}, at_s=DATE_S + 0.5 + off_s)).status is CheckStatus.OK

    @pytest.mark.parametrize(
        ("off_s", "difference"),
        [(6, "6 s ahead of"), (-6, "6 s behind"), (600, "10 min ahead of"), (-86_400, "24 h behind")],
    )
    def test_a_larger_clock_difference_is_a_warning(self, off_s: float, difference: str) -> None:
        result = judge_clock(HttpAnswer(401, {"date": DATE}, at_s=DATE_S + 0.5 + off_s))
        assert result.status is CheckStatus.WARNING
        assert difference in result.seen
        assert "NTP" in result.advice

    @pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": DATE, "age": "600"}, {"date": "\x00" * 9}])
    def test_without_a_usable_date_the_clock_is_skipped(self, headers: dict[str, str]) -> None:
        assert judge_clock(HttpAnswer(401, headers, at_s=DATE_S)).status is CheckStatus.SKIPPED
