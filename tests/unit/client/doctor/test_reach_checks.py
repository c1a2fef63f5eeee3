"""The way to the server: what is said of its address, name, port and certificate."""

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


def stands(verdict: CheckResult) -> tuple[CheckStatus, bool]:
    return verdict.status, bool(verdict.advice)


FINE, WARNED, FAILED = (CheckStatus.OK, False), (CheckStatus.WARNING, True), (CheckStatus.FAILED, True)


class TestAnAddress:
    @pytest.mark.parametrize(
        ("text", "host", "port", "secure"),
        [
            ("https://Chat.example.org/", "chat.example.org", 443, True),
            ("http://127.0.0.1:8000", "127.0.0.1", 8000, False),
            ("http://[::1]", "::1", 80, False),
            ("https://example.org/chat", "example.org", 443, True),
        ],
    )
    def test_is_taken_apart(self, text: str, host: str, port: int, secure: bool) -> None:
        target = target_of(text)
        assert (target.host, target.port, target.secure) == (host, port, secure)
        assert stands(judge_address(target)) == FINE

    @pytest.mark.parametrize(
        "text",
        ["chat.example.org", "wss://x", "http://x:99999", "http://x:y", "http://[::1", "http://x/ws", "http://x/a/docs",
         "http://x/?token=secret", "http://x/#a", "http://:80"],
    )  # fmt: skip
    def test_that_is_none_is_refused_with_a_sentence(self, text: str) -> None:
        with pytest.raises(UsageError) as refused:
            target_of(text)
        assert str(refused.value).endswith((".", "host."))

    def test_behind_a_proxy_of_the_environment_shows_it_without_its_password(self) -> None:
        target = target_of("https://chat.example.org", "http://me:secret@proxy:3128")
        assert (target.hop_host, target.hop_port) == ("proxy", 3128)
        seen = judge_address(target).seen
        assert "http://proxy:3128" in seen
        assert "secret" not in seen

    @pytest.mark.parametrize("via", ["proxy:3128", "http://", "http://proxy:x"])
    def test_behind_a_proxy_that_is_none_is_refused_too(self, via: str) -> None:
        with pytest.raises(UsageError, match="HTTPS_PROXY"):
            target_of("https://chat.example.org", via)


class TestAName:
    def test_that_leads_somewhere_at_once_is_fine(self) -> None:
        assert stands(judge_dns(PUBLIC, ResolvedNames(("203.0.113.7",), 0.02))) == FINE

    def test_that_leads_there_slowly_is_warned_of(self) -> None:
        assert stands(judge_dns(PUBLIC, ResolvedNames(("203.0.113.7",), 1.5))) == WARNED

    @pytest.mark.parametrize(
        "names", [ResolvedNames((), 0.02, "no such host is known"), ResolvedNames((), 10, "no answer in time")]
    )
    def test_that_leads_nowhere_fails(self, names: ResolvedNames) -> None:
        verdict = judge_dns(PUBLIC, names)
        assert stands(verdict) == FAILED
        assert "A or AAAA record" in verdict.advice

    def test_of_a_proxy_in_the_environment_is_not_the_servers(self) -> None:
        target = target_of("https://chat.example.org", "http://proxy:3128")
        assert "HTTPS_PROXY" in judge_dns(target, ResolvedNames((), 0.02, "no such host is known")).advice


class TestAPort:
    good = ConnectAttempt("203.0.113.7", 0.01)
    refused = ConnectAttempt("203.0.113.8", 0.01, "connection refused", refused=True)
    silent = ConnectAttempt("2001:db8::7", 5.0, "no answer in time")
    no_route = ConnectAttempt("2001:db8::7", 0.0, "the network is unreachable", no_route=True)

    @pytest.mark.parametrize(
        ("attempts", "stand"),
        [
            ([good], FINE),
            ([good, no_route], FINE),
            ([good, refused], WARNED),
            ([silent, good], WARNED),
            ([refused], FAILED),
            ([silent, no_route], FAILED),
        ],
    )
    def test_answers_at_every_address_that_can_be_reached(
        self, attempts: list[ConnectAttempt], stand: tuple[CheckStatus, bool]
    ) -> None:
        assert stands(judge_tcp(PUBLIC, attempts)) == stand

    @pytest.mark.parametrize(
        ("attempt", "word"), [(refused, "nothing listens"), (silent, "firewalls"), (no_route, "no route")]
    )
    def test_that_does_not_says_what_to_look_at(self, attempt: ConnectAttempt, word: str) -> None:
        assert word in judge_tcp(PUBLIC, [attempt]).advice

    def test_of_this_machine_may_be_on_one_of_its_two_addresses(self) -> None:
        attempts = [ConnectAttempt("::1", 0, "connection refused", refused=True), ConnectAttempt("127.0.0.1", 0)]
        assert stands(judge_tcp(target_of("http://localhost:8000"), attempts)) == FINE

    def test_with_an_ipv6_address_is_written_as_in_an_address(self) -> None:
        assert "[2001:db8::7]:443" in judge_tcp(PUBLIC, [self.silent]).seen


def tls(*, left_days: float, life_days: float = 90) -> TlsResult:
    ends_s = NOW_S + left_days * DAY_S
    return TlsResult("TLSv1.3", ends_s - life_days * DAY_S, ends_s)


class TestACertificate:
    @pytest.mark.parametrize(
        ("seen", "stand"),
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
    def test_is_warned_of_before_it_ends(self, seen: TlsResult | None, stand: tuple[CheckStatus, bool]) -> None:
        assert stands(judge_tls(PUBLIC, seen, NOW_S)) == stand

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
    def test_that_is_none_says_what_to_do(self, seen: TlsResult, word: str) -> None:
        verdict = judge_tls(PUBLIC, seen, NOW_S)
        assert stands(verdict) == FAILED
        assert word in verdict.advice

    @pytest.mark.parametrize(
        ("address", "stand"),
        [
            ("http://localhost", FINE),
            ("http://127.0.0.1:8000", FINE),
            ("http://[::1]:8000", FINE),
            ("http://10.0.0.7", WARNED),
            ("http://chat.example.org", WARNED),
        ],
    )
    def test_is_missed_anywhere_but_within_this_machine(self, address: str, stand: tuple[CheckStatus, bool]) -> None:
        target: Target = target_of(address)
        assert stands(judge_tls(target, None, NOW_S)) == stand
