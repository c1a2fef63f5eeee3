"""`chatterbox doctor` against a real server behind proxies with one fault each."""

import asyncio

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.proxies import Fault, always, for_handshakes, on_handshakes, page, proxy, without
from tests.e2e.doctor.doctor_report import at, run_doctor, run_through, worst


class TestHttp:
    @pytest.mark.parametrize(
        ("answer", "seen", "advice"),
        [
            (page("502 Bad Gateway", "502 Bad Gateway"), "502 Bad Gateway from nginx", "does not reach Chatterbox"),
            (page("200 OK", "Welcome!"), 'not Chatterbox: 200 OK from nginx/1.27 ("Welcome!")', "Another program"),
            (page("404 Not Found", "404"), "404 Not Found", "passes this host's /register"),
            (page("401 Unauthorized", "x", 'www-authenticate: Basic realm="x"\r\n'), "401", "login of its own"),
            (page("301 Moved Permanently", "x", "location: https://chat.example.org/\r\n"), "301", "chat.example.org"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "", "does not answer in HTTP"),
        ],
        ids=["502", "another site", "404", "login", "redirect", "no HTTP"],
    )
    async def test_foreign_responses_fail_http_with_advice(
        self, site: Server, ada: Person, answer: bytes, seen: str, advice: str
    ) -> None:
        check, result = worst(await run_through(always(answer), site, ada))
        assert check == "http"
        assert seen in result.seen
        assert advice in result.advice

    async def test_foreign_text_is_safe_for_a_terminal(self, site: Server, ada: Person) -> None:
        wild = page("200 OK", "\x1b]0;gotcha\x07\u202e" + "long " * 100)
        async with proxy(site.port, always(wild)) as address:
            done = await asyncio.to_thread(at(ada, address).run, "doctor")
            assert "␛]0;gotcha␇" in done.stdout
            assert done.stdout.replace("\n", "").isprintable()
            assert max(map(len, done.stdout.splitlines())) < 300

    async def test_a_proxy_that_passes_only_the_reference_fails_http(self, site: Server, ada: Person) -> None:
        only = Fault(instead=lambda head: None if b" /openapi.json " in head else page("404 Not Found", "404"))
        check, result = worst(await run_through(only, site, ada))
        assert check == "http"
        assert result.seen.startswith("/openapi.json is Chatterbox's, but /sessions answers with 404")

    async def test_a_wrong_server_date_is_a_clock_warning(self, site: Server, ada: Person) -> None:
        def an_hour_ago(head: bytes) -> bytes:
            return without(b"date")(head).replace(b"\r\n", b"\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n", 1)

        check, result = worst(await run_through(Fault(answer=an_hour_ago), site, ada, ExitCode.OK))
        assert (check, result.status) == ("clock", "warning")
        assert "ahead of the server's" in result.seen


class TestUpgrade:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(request=without(b"upgrade", b"connection")),
            Fault(request=without(b"upgrade")),
            Fault(request=without(b"connection")),
            Fault(request=lambda head: without(b"upgrade", b"connection")(head).replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
            Fault(answer=without(b"upgrade")),
            for_handshakes(page("200 OK", "Welcome!")),
            for_handshakes(page("400 Bad Request", "400")),
            for_handshakes(page("426 Upgrade Required", "426")),
            for_handshakes(b""),
        ],
        ids=["both", "Upgrade", "Connection", "HTTP/1.0", "in the answer", "200", "400", "426", "hangs up"],
    )
    async def test_a_dropped_upgrade_fails_websocket_with_advice_for_each_proxy(
        self, site: Server, ada: Person, fault: Fault
    ) -> None:
        check, result = worst(await run_through(fault, site, ada))
        assert check == "websocket"
        assert all(word in result.advice for word in ("Upgrade and Connection", "nginx", "Caddy", "HAProxy"))

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            ("404 Not Found", "pass /ws to the same Chatterbox"),
            ("502 Bad Gateway", "does not reach a gateway"),
            ("504 Gateway Timeout", "does not reach a gateway"),
            ("403 Forbidden", "without a login or access rule"),
            ("302 Found", "redirects to"),
            ("500 Internal Server Error", "The response must be 101"),
        ],
    )
    async def test_a_proxys_response_to_the_handshake_fails_websocket(
        self, site: Server, ada: Person, status: str, advice: str
    ) -> None:
        answer = page(status, status, "location: http://127.0.0.1:9/ws\r\n" if status.startswith("302") else "")
        check, result = worst(await run_through(for_handshakes(answer), site, ada))
        assert check == "websocket"
        assert status in result.seen
        assert advice in result.advice

    async def test_a_handshake_refused_by_the_server_shows_its_error(self, site: Server, ada: Person) -> None:
        def of_a_page(head: bytes) -> bytes:
            return head.replace(b"\r\n", b"\r\norigin: https://evil.example\r\n", 1)

        check, result = worst(await run_through(Fault(request=of_a_page), site, ada))
        assert check == "websocket"
        assert "403 origin_refused" in result.seen
        assert "a proxy adds one" in result.advice


class TestToken:
    async def test_a_dropped_authorization_header_fails_token(self, site: Server, ada: Person, guest: Person) -> None:
        async with proxy(site.port, Fault(request=without(b"authorization"))) as address:
            for check, result in (
                worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE)),
                worst(await run_doctor(guest, address, exits=ExitCode.UNREACHABLE)),
            ):
                assert check == "token"
                assert "proxy_set_header Authorization" in result.advice

    async def test_a_header_dropped_from_the_handshake_only_is_a_warning(self, site: Server, ada: Person) -> None:
        fault = Fault(request=on_handshakes(without(b"authorization")))
        check, result = worst(await run_through(fault, site, ada, ExitCode.OK))
        assert (check, result.status) == ("token", "warning")
        assert "only by a frame" in result.seen


class TestFrames:
    async def test_buffered_frames_are_a_warning(self, site: Server, ada: Person) -> None:
        check, result = worst(await run_through(Fault(hold_s=1.2), site, ada, ExitCode.OK))
        assert (check, result.status) == ("round trip", "warning")
        assert "in bursts" in result.seen
        assert "devices that inspect" in result.advice

    async def test_a_frame_size_limit_fails_large_frames(self, site: Server, ada: Person, guest: Person) -> None:
        async with proxy(site.port, Fault(frame_bytes=4096)) as address:
            for check, result in (
                worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE)),
                worst(await run_doctor(guest, address, exits=ExitCode.UNREACHABLE)),
            ):
                assert check == "large frames"
                assert result.seen.endswith("(the connection dropped); 4,095 bytes do")
                assert "65,536 bytes" in result.advice

    async def test_an_idle_timeout_fails_idle(self, site: Server, ada: Person) -> None:
        async with proxy(site.port, Fault(idle_s=2.0)) as address:
            check, result = worst(await run_doctor(at(ada, address), "--idle", "8", exits=ExitCode.UNREACHABLE))
        assert check == "idle"
        assert result.seen.startswith("cut after 2.")
        assert "proxy_read_timeout" in result.advice
        assert "CHATTERBOX_PING_S" in result.advice
