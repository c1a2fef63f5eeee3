"""`chatterbox doctor` against a real server: the way there, up to TLS and a proxy that one chose."""

import asyncio
import json
from pathlib import Path

import pytest

from client.doctor.verdict import CheckName
from client.failures import ExitCode
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.proxies import Authority, Fault, proxy, tunnel
from tests.e2e.doctor.examining import NEVER, at, examined, worst
from tests.support.ports import free_port
from tests.support.process import process


class TestWithNothingInTheWay:
    async def test_all_is_well_with_a_login(self, site: Server, ada: Person) -> None:
        told = await examined(ada, exits=ExitCode.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert "welcomed as ada" in told["token"].seen
        assert "the server pings every 20 s" in told["idle"].seen
        assert told["large frames"].seen == "65,535 bytes in one frame get through"

    async def test_and_without_one_but_for_what_needs_it(self, site: Server, stranger: Person) -> None:
        told = await examined(stranger, site.url, exits=ExitCode.OK)
        assert {check for check, each in told.items() if each.status != "ok"} == {"idle"}
        assert told["idle"].status == "skipped"
        assert "the gateway is reachable" in told["token"].seen

    async def test_it_is_printed_for_people(self, site: Server, ada: Person) -> None:
        done = await asyncio.to_thread(ada.run, "doctor", "--idle", "0.3")
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr, lines[-1]) == (ExitCode.OK, "", "No problems found.")
        assert [line[9:23].strip() for line in lines[:-1]] == [*CheckName]

    async def test_nothing_is_stored(self, site: Server, ada: Person) -> None:
        before = await asyncio.to_thread(ada.run, "rooms")
        await examined(ada, exits=ExitCode.OK)
        assert (await asyncio.to_thread(ada.run, "rooms")).stdout == before.stdout

    async def test_a_session_that_has_ended_is_no_fault_of_the_server(self, site: Server, ada: Person) -> None:
        broken = at(ada, site.url.replace("127.0.0.1", "localhost"))
        path = SessionFile(broken.home / "chatterbox", broken.server).path
        session = json.loads(path.read_text())
        path.write_text(json.dumps(session | {"token": session["token"][:-6] + "AAAAAA"}))
        check, told = worst(await examined(broken, exits=ExitCode.OK))
        assert (check, told.status) == ("token", "warning")
        assert "chatterbox login" in told.advice

    async def test_connections_up_to_the_limit_are_told_as_they_are(self, tmp_path: Path) -> None:
        async with process(tmp_path / "data", CHATTERBOX_CONNECTIONS_PER_USER="1") as server:
            with people(tmp_path, server.url, "bob") as (bob,):
                session = json.loads(SessionFile(bob.home / "chatterbox", server.url).path.read_text())
                async with server.talker(session["token"]):
                    check, told = worst(await examined(bob, exits=ExitCode.UNREACHABLE))
        assert check == "token"
        assert "too_many_connections" in told.seen
        assert "CHATTERBOX_TRUSTED_PROXIES" in told.advice


class TestTheWayThere:
    async def test_an_address_that_is_none(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, "chat.example.org", exits=ExitCode.USAGE))
        assert check == "address"
        assert "looks like" in told.advice

    async def test_a_name_that_nobody_knows(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, "https://nowhere.invalid", exits=ExitCode.UNREACHABLE))
        assert check == "dns"
        assert "A or AAAA record" in told.advice

    async def test_a_port_where_nothing_listens(self, stranger: Person) -> None:
        check, told = worst(await examined(stranger, f"http://127.0.0.1:{free_port()}", exits=ExitCode.UNREACHABLE))
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
            told = await examined(at(ada, address), exits=ExitCode.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert told["tls"].seen == "TLSv1.3, certificate valid for 89 more days"

    async def test_one_that_ends_soon(self, site: Server, ada: Person, authority: Authority) -> None:
        async with proxy(site.port, Fault(), authority.server(days=5)) as address:
            check, told = worst(await examined(at(ada, address), exits=ExitCode.OK))
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
            check, told = worst(await examined(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert advice in told.advice
        assert heads == []

    async def test_an_authority_that_is_not_known_here(
        self, site: Server, ada: Person, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with proxy(site.port, Fault(), authority.server()) as address:
            check, told = worst(await examined(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert "SSL_CERT_FILE" in told.advice

    async def test_none_where_it_was_meant_to_be(self, site: Server, stranger: Person) -> None:
        check, told = worst(await examined(stranger, f"https://127.0.0.1:{site.port}", exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert "does not use TLS" in told.advice


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
            told = await examined(at(ada, address), exits=ExitCode.OK)
        assert {each.status for each in told.values()} == {"ok"}
        assert middle in told["address"].seen
        assert "secret" not in str(told)
        assert len(asked) > 5
        assert all(b"proxy-authorization: basic bwu6c2vjcmv0" in head.lower() for head in asked)

    async def test_and_said_to_be_away(self, stranger: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", NEVER)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        check, told = worst(await examined(stranger, "https://chat.example.org", exits=ExitCode.UNREACHABLE))
        assert check == "tcp"
        assert "HTTPS_PROXY" in told.advice
