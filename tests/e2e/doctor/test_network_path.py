"""`chatterbox doctor` against a real server: DNS, TCP, TLS, and a proxy from the environment."""

import asyncio
import json
from pathlib import Path

import pytest

from client.doctor.verdict import CheckName
from client.failures import ExitCode
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.proxies import Authority, Fault, proxy, tunnel
from tests.e2e.doctor.doctor_report import NEVER, at, run_doctor, worst
from tests.support.ports import free_port
from tests.support.process import process


class TestHealthyServer:
    async def test_all_checks_pass_with_a_login(self, site: Server, ada: Person) -> None:
        results = await run_doctor(ada, exits=ExitCode.OK)
        assert {each.status for each in results.values()} == {"ok"}
        assert "welcomed as ada" in results["token"].seen
        assert "the server pings every 20 s" in results["idle"].seen
        assert results["large frames"].seen == "65,535 bytes in one frame get through"

    async def test_all_checks_but_idle_pass_without_a_login(self, site: Server, guest: Person) -> None:
        results = await run_doctor(guest, site.url, exits=ExitCode.OK)
        assert {check for check, each in results.items() if each.status != "ok"} == {"idle"}
        assert results["idle"].status == "skipped"
        assert "the gateway is reachable" in results["token"].seen

    async def test_results_are_printed_line_by_line(self, site: Server, ada: Person) -> None:
        done = await asyncio.to_thread(ada.run, "doctor", "--idle", "0.3")
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr, lines[-1]) == (ExitCode.OK, "", "No problems found.")
        assert [line[9:23].strip() for line in lines[:-1]] == [name for name in CheckName if not name.is_local]

    async def test_doctor_stores_nothing_on_the_server(self, site: Server, ada: Person) -> None:
        before = await asyncio.to_thread(ada.run, "rooms")
        await run_doctor(ada, exits=ExitCode.OK)
        assert (await asyncio.to_thread(ada.run, "rooms")).stdout == before.stdout

    async def test_an_ended_session_is_only_a_warning(self, site: Server, ada: Person) -> None:
        broken = at(ada, site.url.replace("127.0.0.1", "localhost"))
        path = SessionFile(broken.home / "chatterbox", broken.server).path
        session = json.loads(path.read_text())
        path.write_text(json.dumps(session | {"token": session["token"][:-6] + "AAAAAA"}))
        check, result = worst(await run_doctor(broken, exits=ExitCode.OK))
        assert (check, result.status) == ("token", "warning")
        assert "chatterbox login" in result.advice

    async def test_too_many_connections_fails_token(self, tmp_path: Path) -> None:
        async with process(tmp_path / "data", CHATTERBOX_CONNECTIONS_PER_USER="1") as server:
            with people(tmp_path, server.url, "bob") as (bob,):
                session = json.loads(SessionFile(bob.home / "chatterbox", server.url).path.read_text())
                async with server.talker(session["token"]):
                    check, result = worst(await run_doctor(bob, exits=ExitCode.UNREACHABLE))
        assert check == "token"
        assert "too_many_connections" in result.seen
        assert "CHATTERBOX_TRUSTED_PROXIES" in result.advice


class TestUnreachableServer:
    async def test_an_invalid_address_fails_address(self, guest: Person) -> None:
        check, result = worst(await run_doctor(guest, "chat.example.org", exits=ExitCode.USAGE))
        assert check == "address"
        assert "Invalid server address" in result.advice

    async def test_an_unknown_host_fails_dns(self, guest: Person) -> None:
        check, result = worst(await run_doctor(guest, "https://nowhere.invalid", exits=ExitCode.UNREACHABLE))
        assert check == "dns"
        assert "A or AAAA record" in result.advice

    async def test_a_closed_port_fails_tcp(self, guest: Person) -> None:
        check, result = worst(await run_doctor(guest, f"http://127.0.0.1:{free_port()}", exits=ExitCode.UNREACHABLE))
        assert check == "tcp"
        assert "nothing listens" in result.advice


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
        authority = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        return authority

    async def test_a_valid_certificate_passes_tls(self, site: Server, ada: Person, authority: Authority) -> None:
        async with proxy(site.port, Fault(), authority.server()) as address:
            results = await run_doctor(at(ada, address), exits=ExitCode.OK)
        assert {each.status for each in results.values()} == {"ok"}
        assert results["tls"].seen == "TLSv1.3, certificate valid for 89 more days"

    async def test_a_certificate_that_expires_soon_is_a_warning(
        self, site: Server, ada: Person, authority: Authority
    ) -> None:
        async with proxy(site.port, Fault(), authority.server(days=5)) as address:
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.OK))
        assert (check, result.status) == ("tls", "warning")
        assert "Renew it now" in result.advice

    @pytest.mark.parametrize(
        ("made", "advice"),
        [
            ({"days": -1}, "Renew the certificate"),
            ({"self_signed": True}, "No authority that this machine trusts"),
            ({"host": "127.0.0.2"}, "The certificate is for another name"),
        ],
        ids=["expired", "self-signed", "of another name"],
    )
    async def test_an_invalid_certificate_fails_tls_before_any_request(
        self, site: Server, ada: Person, authority: Authority, made: dict[str, object], advice: str
    ) -> None:
        heads: list[bytes] = []
        fault = Fault(request=lambda head: heads.append(head) or head)  # type: ignore[func-returns-value]
        async with proxy(site.port, fault, authority.server(**made)) as address:  # type: ignore[arg-type]
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert advice in result.advice
        assert heads == []

    async def test_an_unknown_authority_fails_tls(
        self, site: Server, ada: Person, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with proxy(site.port, Fault(), authority.server()) as address:
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert "SSL_CERT_FILE" in result.advice

    async def test_https_on_a_plain_http_port_fails_tls(self, site: Server, guest: Person) -> None:
        check, result = worst(await run_doctor(guest, f"https://127.0.0.1:{site.port}", exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert "does not use TLS" in result.advice


class TestEnvironmentProxy:
    async def test_a_proxy_from_the_environment_is_used(
        self, site: Server, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with proxy(site.port, Fault(), authority.server()) as address, tunnel() as (middle, asked):
            monkeypatch.setenv("https_proxy", middle.replace("http://", "http://me:secret@"))
            results = await run_doctor(at(ada, address), exits=ExitCode.OK)
        assert {each.status for each in results.values()} == {"ok"}
        assert middle in results["address"].seen
        assert "secret" not in str(results)
        assert len(asked) > 5
        assert all(b"proxy-authorization: basic bwu6c2vjcmv0" in head.lower() for head in asked)

    async def test_an_unreachable_proxy_from_the_environment_fails_tcp(
        self, guest: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", NEVER)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        check, result = worst(await run_doctor(guest, "https://chat.example.org", exits=ExitCode.UNREACHABLE))
        assert check == "tcp"
        assert "HTTPS_PROXY" in result.advice
