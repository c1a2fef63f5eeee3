"""`chatterbox doctor` against a real server, through proxies that do one thing wrong each."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from client.doctor.verdict import Check
from client.failures import Exit
from client.session import SessionFile
from services.processes.programs import caddy_program
from tests.e2e.client.people import Person, Server, people, wait_until
from tests.e2e.client.proxies import (
    Authority,
    Fault,
    always,
    for_handshakes,
    on_handshakes,
    page,
    proxy,
    tunnel,
    without,
)
from tests.support.ports import free_port
from tests.support.process import process

NEVER = "http://127.0.0.1:9"


class Told(NamedTuple):
    """One line of the report."""

    status: str
    seen: str
    advice: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: nothing here changes it."""
    server = Server(tmp_path_factory.mktemp("site") / "data")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def ada(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with people(tmp_path_factory.mktemp("homes"), site.url, "ada") as (ada,):
        yield ada


@pytest.fixture
def stranger(tmp_path: Path) -> Person:
    """Somebody who is not logged in anywhere."""
    return Person(tmp_path / "stranger", NEVER, "stranger")


def at(person: Person, address: str) -> Person:
    """The same person with the same session, at another address of the server."""
    file = SessionFile(person.home / "chatterbox", person.server)
    over = SessionFile(person.home / "chatterbox", address)
    shutil.copy(file.path, over.path)
    return replace(person, server=address)


async def examined(person: Person, *arguments: str, exits: Exit) -> dict[str, Told]:
    """Run the command, and hold it to what is true of each report; returns the verdicts by check."""
    command = ["doctor", "--json", "--idle", "0.3", *arguments]
    done = await asyncio.to_thread(person.run, *command)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert done.stdout.count("\n") == 1
    assert [check["check"] for check in report["checks"]] == [*Check]
    told = {check.pop("check"): Told(**check) for check in report["checks"]}
    assert report["ok"] == all(each.status != "failed" for each in told.values())
    assert all(each.advice for each in told.values() if each.status in {"failed", "warning"})
    assert done.returncode == exits, told
    return told


async def verdicts(fault: Fault, site: Server, person: Person, exits: Exit = Exit.UNREACHABLE) -> dict[str, Told]:
    """What is told of the server through a proxy with this fault."""
    async with proxy(site.port, fault) as address:
        return await examined(at(person, address), exits=exits)


def worst(told: dict[str, Told]) -> tuple[str, Told]:
    """The one check that failed or warned."""
    ((check, told_),) = ((check, each) for check, each in told.items() if each.status in {"failed", "warning"})
    return check, told_


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class TestWithNothingInTheWay:
    async def test_all_is_well_with_a_login(self, site: Server, ada: Person) -> None:
        told = await examined(ada, exits=Exit.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert "welcomed as ada" in told["token"].seen
        assert "the server pings every 20 s" in told["idle"].seen
        assert told["large frames"].seen == "65,535 bytes in one frame get through"

    async def test_and_without_one_but_for_what_needs_it(self, site: Server, stranger: Person) -> None:
        told = await examined(stranger, site.url, exits=Exit.OK)
        assert {check for check, each in told.items() if each.status != "ok"} == {"idle"}
        assert told["idle"].status == "skipped"
        assert "the way is open" in told["token"].seen

    async def test_it_is_printed_for_people(self, site: Server, ada: Person) -> None:
        done = await asyncio.to_thread(ada.run, "doctor", "--idle", "0.3")
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr, lines[-1]) == (Exit.OK, "", "All is well.")
        assert [line[9:23].strip() for line in lines[:-1]] == [*Check]

    async def test_nothing_is_stored(self, site: Server, ada: Person) -> None:
        before = await asyncio.to_thread(ada.run, "rooms")
        await examined(ada, exits=Exit.OK)
        assert (await asyncio.to_thread(ada.run, "rooms")).stdout == before.stdout

    async def test_a_session_that_has_ended_is_no_fault_of_the_server(self, site: Server, ada: Person) -> None:
        broken = at(ada, site.url.replace("127.0.0.1", "localhost"))
        path = SessionFile(broken.home / "chatterbox", broken.server).path
        session = json.loads(path.read_text())
        path.write_text(json.dumps(session | {"token": session["token"][:-6] + "AAAAAA"}))
        check, told = worst(await examined(broken, exits=Exit.OK))
        assert (check, told.status) == ("token", "warning")
        assert "chatterbox login" in told.advice

    async def test_connections_up_to_the_limit_are_told_as_they_are(self, tmp_path: Path) -> None:
        async with process(tmp_path / "data", CHATTERBOX_CONNECTIONS_PER_USER="1") as server:
            with people(tmp_path, server.url, "bob") as (bob,):
                session = json.loads(SessionFile(bob.home / "chatterbox", server.url).path.read_text())
                async with server.talker(session["token"]):
                    check, told = worst(await examined(bob, exits=Exit.UNREACHABLE))
        assert check == "token"
        assert "too_many_connections" in told.seen
        assert "CHATTERBOX_TRUSTED_PROXIES" in told.advice


class TestTheWayThere:
    async def test_an_address_that_is_none(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, "chat.example.org", exits=Exit.USAGE))
        assert check == "address"
        assert "looks like" in told.advice

    async def test_a_name_that_nobody_knows(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, "https://nowhere.invalid", exits=Exit.UNREACHABLE))
        assert check == "dns"
        assert "A or AAAA record" in told.advice

    async def test_a_port_where_nothing_listens(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, f"http://127.0.0.1:{free_port()}", exits=Exit.UNREACHABLE))
        assert check == "tcp"
        assert "nothing listens" in told.advice


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
        authority = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        return authority

    async def test_a_good_certificate(self, site: Server, ada: Person, authority: Authority) -> None:
        async with proxy(site.port, Fault(), authority.server()) as address:
            told = await examined(at(ada, address), exits=Exit.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert told["tls"].seen == "TLSv1.3, certificate valid for 89 more days"

    async def test_one_that_ends_soon(self, site: Server, ada: Person, authority: Authority) -> None:
        async with proxy(site.port, Fault(), authority.server(days=5)) as address:
            check, told = worst(await examined(at(ada, address), exits=Exit.OK))
        assert (check, told.status) == ("tls", "warning")
        assert "Renew it now" in told.advice

    @pytest.mark.parametrize(
        ("made", "advice"),
        [
            ({"days": -1}, "Renew the certificate"),
            ({"self_signed": True}, "No authority that this machine trusts"),
            ({"host": "127.0.0.2"}, "The certificate is for another name"),
        ],
        ids=["expired", "self-signed", "of another name"],
    )
    async def test_a_bad_one_and_no_token_is_sent(
        self, site: Server, ada: Person, authority: Authority, made: dict[str, object], advice: str
    ) -> None:
        heads: list[bytes] = []
        fault = Fault(request=lambda head: heads.append(head) or head)  # type: ignore[func-returns-value]
        async with proxy(site.port, fault, authority.server(**made)) as address:  # type: ignore[arg-type]
            check, told = worst(await examined(at(ada, address), exits=Exit.UNREACHABLE))
        assert check == "tls"
        assert advice in told.advice
        assert heads == []

    async def test_an_authority_that_is_not_known_here(
        self, site: Server, ada: Person, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with proxy(site.port, Fault(), authority.server()) as address:
            check, told = worst(await examined(at(ada, address), exits=Exit.UNREACHABLE))
        assert check == "tls"
        assert "SSL_CERT_FILE" in told.advice

    async def test_none_where_it_was_meant_to_be(self, site: Server, stranger: Person) -> None:
        check, told = worst(await examined(stranger, f"https://127.0.0.1:{site.port}", exits=Exit.UNREACHABLE))
        assert check == "tls"
        assert "No TLS is spoken" in told.advice


class TestAProxyThatTheEnvironmentNames:
    async def test_is_gone_through(
        self, site: Server, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with proxy(site.port, Fault(), authority.server()) as address, tunnel() as (middle, asked):
            monkeypatch.setenv("https_proxy", middle.replace("http://", "http://me:secret@"))
            told = await examined(at(ada, address), exits=Exit.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert middle in told["address"].seen
        assert "secret" not in str(told)
        assert len(asked) > 5
        assert all(b"proxy-authorization: basic bwu6c2vjcmv0" in head.lower() for head in asked)

    async def test_and_said_to_be_away(self, stranger: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", NEVER)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        check, told = worst(await examined(stranger, "https://chat.example.org", exits=Exit.UNREACHABLE))
        assert check == "tcp"
        assert "HTTPS_PROXY" in told.advice


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "seen", "advice"),
        [
            (page("502 Bad Gateway", "502 Bad Gateway"), "502 Bad Gateway from nginx", "does not reach Chatterbox"),
            (page("200 OK", "Welcome!"), 'not Chatterbox: 200 OK from nginx/1.27 ("Welcome!")', "Another program"),
            (page("404 Not Found", "404"), "404 Not Found", "passes this host's /register"),
            (page("401 Unauthorized", "x", 'www-authenticate: Basic realm="x"\r\n'), "401", "login of its own"),
            (page("301 Moved Permanently", "x", "location: https://chat.example.org/\r\n"), "301", "chat.example.org"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "", "no port of another kind"),
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
        assert told.seen.startswith("/openapi.json is Chatterbox's, but /sessions is answered with 404")

    async def test_with_another_time(self, site: Server, ada: Person) -> None:
        def an_hour_ago(head: bytes) -> bytes:
            return without(b"date")(head).replace(b"\r\n", b"\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n", 1)

        check, told = worst(await verdicts(Fault(answer=an_hour_ago), site, ada, Exit.OK))
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
            ("403 Forbidden", "without a login or rule"),
            ("302 Found", "leads elsewhere"),
            ("500 Internal Server Error", "Only 101 would be right"),
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
                worst(await examined(at(ada, address), exits=Exit.UNREACHABLE)),
                worst(await examined(stranger, address, exits=Exit.UNREACHABLE)),
            ):
                assert check == "token"
                assert "proxy_set_header Authorization" in told.advice

    async def test_whose_header_is_dropped_from_the_handshake_goes_in_a_frame(self, site: Server, ada: Person) -> None:
        fault = Fault(request=on_handshakes(without(b"authorization")))
        check, told = worst(await verdicts(fault, site, ada, Exit.OK))
        assert (check, told.status) == ("token", "warning")
        assert "only by a frame" in told.seen


class TestFrames:
    async def test_held_back_for_two_seconds(self, site: Server, ada: Person) -> None:
        check, told = worst(await verdicts(Fault(hold_s=2), site, ada, Exit.OK))
        assert (check, told.status) == ("round trip", "warning")
        assert "in bunches" in told.seen
        assert "what inspects" in told.advice

    async def test_that_are_large_are_cut(self, site: Server, ada: Person, stranger: Person) -> None:
        async with proxy(site.port, Fault(frame_bytes=4096)) as address:
            for check, told in (
                worst(await examined(at(ada, address), exits=Exit.UNREACHABLE)),
                worst(await examined(stranger, address, exits=Exit.UNREACHABLE)),
            ):
                assert check == "large frames"
                assert told.seen.endswith("(the line was cut); 4,095 bytes do")
                assert "65,536 bytes" in told.advice

    async def test_that_stay_out_for_a_while_are_cut(self, site: Server, ada: Person) -> None:
        async with proxy(site.port, Fault(idle_s=2.0)) as address:
            check, told = worst(await examined(at(ada, address), "--idle", "8", exits=Exit.UNREACHABLE))
        assert check == "idle"
        assert told.seen.startswith("cut after 2.")
        assert "proxy_read_timeout" in told.advice
        assert "CHATTERBOX_PING_S" in told.advice


class TestCaddy:
    @asynccontextmanager
    async def caddy(self, folder: Path, port: int, address: str, *lines: str) -> AsyncIterator[None]:
        """A real proxy in front of `port`."""
        config = folder / "Caddyfile"
        inner = "\n".join(lines)
        site = f"{address} {{\nreverse_proxy 127.0.0.1:{port} {{\n{inner}\n}}\n}}\n"
        config.write_text(
            "{\nadmin off\npersist_config off\nskip_install_trust\nauto_https disable_redirects\n"
            f"storage file_system {folder / 'caddy'}\n}}\n{site}"
        )
        with (folder / "caddy.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                str(caddy_program()), "run", "--config", str(config), stdout=log, stderr=log
            )
        try:
            await asyncio.to_thread(wait_until, lambda: listens(int(address.rsplit(":", 1)[1])), "caddy listens")
            yield
        finally:
            process.kill()
            await process.wait()

    async def test_as_it_is_does_no_harm(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with self.caddy(tmp_path, site.port, address):
            told = await examined(at(ada, address), exits=Exit.OK)
        assert {each.status for each in told.values()} == {"ok"}

    async def test_that_takes_out_upgrade(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with self.caddy(tmp_path, site.port, address, "header_up -Connection", "header_up -Upgrade"):
            check, told = worst(await examined(at(ada, address), exits=Exit.UNREACHABLE))
        assert check == "websocket"
        assert "header_up" in told.advice

    async def test_that_reaches_nothing(self, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with self.caddy(tmp_path, free_port(), address):
            check, told = worst(await examined(at(ada, address), exits=Exit.UNREACHABLE))
        assert check == "http"
        assert told.seen.startswith("not Chatterbox: 502 Bad Gateway")

    async def test_that_knows_the_site_by_another_name(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with self.caddy(tmp_path, site.port, address):
            here = at(ada, address.replace("127.0.0.1", "localhost"))
            check, told = worst(await examined(here, exits=Exit.UNREACHABLE))
        assert check == "http"
        assert "no site of this name" in told.advice

    async def test_with_a_certificate_of_its_own(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"https://localhost:{free_port()}"
        async with self.caddy(tmp_path, site.port, address):
            check, told = worst(await examined(at(ada, address), exits=Exit.UNREACHABLE))
        assert check == "tls"
        assert "SSL_CERT_FILE" in told.advice
