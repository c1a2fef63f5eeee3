"""Results for address, DNS, TCP and TLS."""

import pytest

from client.doctor.reach_checks import (
    DAY_S,
    ConnectAttempt,
    ResolvedNames,
    Target,
    TlsResult,
    judge_address,
    judge_dns,
    judge_tcp,
    judge_tls,
    target_of,
)
from client.doctor.verdict import CheckResult, CheckStatus
from client.failures import UsageError

PUBLIC = target_of("https://chat.example.org")
NOW_S = 1_800_000_000.0


def outcome(result: CheckResult) -> tuple[CheckStatus, bool]:
    return result.status, bool(result.advice)


FINE, WARNED, FAILED = (CheckStatus.OK, False), (CheckStatus.WARNING, True), (CheckStatus.FAILED, True)


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "host", "port", "secure"),
        [
            ("https://Chat.example.org/", "chat.example.org", 443, True),
            ("http://127.0.0.1:8000", "127.0.0.1", 8000, False),
            ("http://[::1]", "::1", 80, False),
            ("https://example.org/chat", "example.org", 443, True),
        ],
    )
    def test_an_address_is_parsed(self, text: str, host: str, port: int, secure: bool) -> None:
        target = target_of(text)
        assert (target.host, target.port, target.secure) == (host, port, secure)
        assert outcome(judge_address(target)) == FINE

    @pytest.mark.parametrize(
        "text",
        ["chat.example.org", "wss://x", "http://x:99999", "http://x:y", "http://[::1", "http://x/ws", "http://x/a/docs",
         "http://x/?token=secret", "http://x/#a", "http://:80"],
    )  # fmt: skip
    def test_an_invalid_address_is_refused_with_a_reason(self, text: str) -> None:
        with pytest.raises(UsageError) as refused:
            target_of(text)
        assert str(refused.value).endswith((".", "host."))

    def test_a_proxy_from_the_environment_is_shown_without_its_password(self) -> None:
        target = target_of("https://chat.example.org", "http://me:secret@proxy:3128")
        assert (target.hop_host, target.hop_port) == ("proxy", 3128)
        seen = judge_address(target).seen
        assert "http://proxy:3128" in seen
        assert "secret" not in seen

    @pytest.mark.parametrize("proxy", ["proxy:3128", "http://", "http://proxy:x"])
    def test_an_invalid_proxy_in_the_environment_is_refused(self, proxy: str) -> None:
        with pytest.raises(UsageError, match="HTTPS_PROXY"):
            target_of("https://chat.example.org", proxy)


class TestDns:
    def test_a_fast_lookup_is_ok(self) -> None:
        assert outcome(judge_dns(PUBLIC, ResolvedNames(("203.0.113.7",), 0.02))) == FINE

    def test_a_slow_lookup_is_a_warning(self) -> None:
        assert outcome(judge_dns(PUBLIC, ResolvedNames(("203.0.113.7",), 1.5))) == WARNED

    @pytest.mark.parametrize(
        "names", [ResolvedNames((), 0.02, "no such host is known"), ResolvedNames((), 10, "no answer in time")]
    )
    def test_an_unresolved_name_fails(self, names: ResolvedNames) -> None:
        result = judge_dns(PUBLIC, names)
        assert outcome(result) == FAILED
        assert "A or AAAA record" in result.advice

    def test_an_unresolved_proxy_name_refers_to_the_environment(self) -> None:
        target = target_of("https://chat.example.org", "http://proxy:3128")
        assert "HTTPS_PROXY" in judge_dns(target, ResolvedNames((), 0.02, "no such host is known")).advice


class TestTcp:
    good = ConnectAttempt("203.0.113.7", 0.01)
    refused = ConnectAttempt("203.0.113.8", 0.01, "connection refused", refused=True)
    silent = ConnectAttempt("2001:db8::7", 5.0, "no answer in time")
    no_route = ConnectAttempt("2001:db8::7", 0.0, "the network is unreachable", no_route=True)

    @pytest.mark.parametrize(
        ("attempts", "expected"),
        [
            ([good], FINE),
            ([good, no_route], FINE),
            ([good, refused], WARNED),
            ([silent, good], WARNED),
            ([refused], FAILED),
            ([silent, no_route], FAILED),
        ],
    )
    def test_a_port_must_answer_at_every_routable_address(
        self, attempts: list[ConnectAttempt], expected: tuple[CheckStatus, bool]
    ) -> None:
        assert outcome(judge_tcp(PUBLIC, attempts)) == expected

    @pytest.mark.parametrize(
        ("attempt", "word"), [(refused, "nothing listens"), (silent, "firewalls"), (no_route, "no route")]
    )
    def test_each_connect_failure_gets_its_advice(self, attempt: ConnectAttempt, word: str) -> None:
        assert word in judge_tcp(PUBLIC, [attempt]).advice

    def test_localhost_may_listen_on_one_address_only(self) -> None:
        attempts = [ConnectAttempt("::1", 0, "connection refused", refused=True), ConnectAttempt("127.0.0.1", 0)]
        assert outcome(judge_tcp(target_of("http://localhost:8000"), attempts)) == FINE

    def test_an_ipv6_address_is_shown_in_brackets(self) -> None:
        assert "[2001:db8::7]:443" in judge_tcp(PUBLIC, [self.silent]).seen


def tls(*, left_days: float, life_days: float = 90) -> TlsResult:
    ends_s = NOW_S + left_days * DAY_S
    return TlsResult("TLSv1.3", ends_s - life_days * DAY_S, ends_s)


class TestCertificate:
    @pytest.mark.parametrize(
        ("seen", "expected"),
        [
            (tls(left_days=60), FINE),
            (tls(left_days=15), FINE),
            (tls(left_days=13), WARNED),
            (tls(left_days=0.5), WARNED),
            (tls(left_days=4, life_days=6), FINE),
            (tls(left_days=1, life_days=6), WARNED),
            (None, (CheckStatus.SKIPPED, False)),
        ],
    )
    def test_a_certificate_that_expires_soon_is_a_warning(
        self, seen: TlsResult | None, expected: tuple[CheckStatus, bool]
    ) -> None:
        assert outcome(judge_tls(PUBLIC, seen, NOW_S)) == expected

    @pytest.mark.parametrize(
        ("seen", "word"),
        [
            (TlsResult(problem="x", verify_code=9), "this machine's clock"),
            (TlsResult(problem="x", verify_code=10), "Renew"),
            (TlsResult(problem="x", verify_code=18), "No authority"),
            (TlsResult(problem="x", verify_code=20), "full chain"),
            (TlsResult(problem="x", verify_code=62), "get one for chat.example.org"),
            (TlsResult(problem="x", reason="WRONG_VERSION_NUMBER"), "Port 443 does not use TLS"),
            (TlsResult(problem="x", reason="TLSV1_ALERT_PROTOCOL_VERSION"), "TLS 1.2 and 1.3"),
            (TlsResult(problem="the connection was reset"), "proxy's log"),
        ],
    )
    def test_each_tls_failure_gets_its_advice(self, seen: TlsResult, word: str) -> None:
        result = judge_tls(PUBLIC, seen, NOW_S)
        assert outcome(result) == FAILED
        assert word in result.advice

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("http://localhost", FINE),
            ("http://127.0.0.1:8000", FINE),
            ("http://[::1]:8000", FINE),
            ("http://10.0.0.7", WARNED),
            ("http://chat.example.org", WARNED),
        ],
    )
    def test_plain_http_is_a_warning_except_on_this_machine(
        self, address: str, expected: tuple[CheckStatus, bool]
    ) -> None:
        target: Target = target_of(address)
        assert outcome(judge_tls(target, None, NOW_S)) == expected
