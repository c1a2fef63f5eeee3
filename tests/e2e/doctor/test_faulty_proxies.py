"""`chatterbox doctor` against a real server, through proxies that do one thing wrong each."""

import asyncio

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.proxies import Fault, always, for_handshakes, on_handshakes, page, proxy, without
from tests.e2e.doctor.examining import at, examined, verdicts, worst


class TestAnswers:
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
    async def test_of_others(self, site: Server, ada: Person, answer: bytes, seen: str, advice: str) -> None:
        check, told = worst(await verdicts(always(answer), site, ada))
        assert check == "http"
        assert seen in told.seen
        assert advice in told.advice

    async def test_are_shown_inert(self, site: Server, ada: Person) -> None:
        wild = page("200 OK", "\x1b]0;gotcha\x07\u202e" + "long " * 100)
        async with proxy(site.port, always(wild)) as address:
            done = await asyncio.to_thread(at(ada, address).run, "doctor")
            assert "␛]0;gotcha␇" in done.stdout
            assert done.stdout.replace("\n", "").isprintable()
            assert max(map(len, done.stdout.splitlines())) < 300

    async def test_of_the_reference_alone(self, site: Server, ada: Person) -> None:
        only = Fault(instead=lambda head: None if b" /openapi.json " in head else page("404 Not Found", "404"))
        check, told = worst(await verdicts(only, site, ada))
        assert check == "http"
        assert told.seen.startswith("/openapi.json is Chatterbox's, but /sessions answers with 404")

    async def test_with_another_time(self, site: Server, ada: Person) -> None:
        def an_hour_ago(head: bytes) -> bytes:
            return without(b"date")(head).replace(b"\r\n", b"\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n", 1)

        check, told = worst(await verdicts(Fault(answer=an_hour_ago), site, ada, ExitCode.OK))
        assert (check, told.status) == ("clock", "warning")
        assert "ahead of the server's" in told.seen


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
    async def test_that_is_dropped(self, site: Server, ada: Person, fault: Fault) -> None:
        check, told = worst(await verdicts(fault, site, ada))
        assert check == "websocket"
        assert all(word in told.advice for word in ("Upgrade and Connection", "nginx", "Caddy", "HAProxy"))

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
    async def test_that_is_answered_otherwise(self, site: Server, ada: Person, status: str, advice: str) -> None:
        answer = page(status, status, "location: http://127.0.0.1:9/ws\r\n" if status.startswith("302") else "")
        check, told = worst(await verdicts(for_handshakes(answer), site, ada))
        assert check == "websocket"
        assert status in told.seen
        assert advice in told.advice

    async def test_that_the_server_refuses_is_told_in_its_words(self, site: Server, ada: Person) -> None:
        def of_a_page(head: bytes) -> bytes:
            return head.replace(b"\r\n", b"\r\norigin: https://evil.example\r\n", 1)

        check, told = worst(await verdicts(Fault(request=of_a_page), site, ada))
        assert check == "websocket"
        assert "403 origin_refused" in told.seen
        assert "a proxy adds one" in told.advice


class TestToken:
    async def test_whose_header_is_dropped_everywhere(self, site: Server, ada: Person, stranger: Person) -> None:
        async with proxy(site.port, Fault(request=without(b"authorization"))) as address:
            for check, told in (
                worst(await examined(at(ada, address), exits=ExitCode.UNREACHABLE)),
                worst(await examined(stranger, address, exits=ExitCode.UNREACHABLE)),
            ):
                assert check == "token"
                assert "proxy_set_header Authorization" in told.advice

    async def test_whose_header_is_dropped_from_the_handshake_goes_in_a_frame(self, site: Server, ada: Person) -> None:
        fault = Fault(request=on_handshakes(without(b"authorization")))
        check, told = worst(await verdicts(fault, site, ada, ExitCode.OK))
        assert (check, told.status) == ("token", "warning")
        assert "only by a frame" in told.seen


class TestFrames:
    async def test_held_back_for_two_seconds(self, site: Server, ada: Person) -> None:
        check, told = worst(await verdicts(Fault(hold_s=2), site, ada, ExitCode.OK))
        assert (check, told.status) == ("round trip", "warning")
        assert "in bursts" in told.seen
        assert "devices that inspect" in told.advice

    async def test_that_are_large_are_cut(self, site: Server, ada: Person, stranger: Person) -> None:
        async with proxy(site.port, Fault(frame_bytes=4096)) as address:
            for check, told in (
                worst(await examined(at(ada, address), exits=ExitCode.UNREACHABLE)),
                worst(await examined(stranger, address, exits=ExitCode.UNREACHABLE)),
            ):
                assert check == "large frames"
                assert told.seen.endswith("(the line was cut); 4,095 bytes do")
                assert "65,536 bytes" in told.advice

    async def test_that_stay_out_for_a_while_are_cut(self, site: Server, ada: Person) -> None:
        async with proxy(site.port, Fault(idle_s=2.0)) as address:
            check, told = worst(await examined(at(ada, address), "--idle", "8", exits=ExitCode.UNREACHABLE))
        assert check == "idle"
        assert told.seen.startswith("cut after 2.")
        assert "proxy_read_timeout" in told.advice
        assert "CHATTERBOX_PING_S" in told.advice
