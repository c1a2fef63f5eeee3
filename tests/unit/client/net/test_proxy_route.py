"""Routes to a server: the environment's proxy and certificates, read once for HTTP, WebSocket and the doctor."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client.core import notes
from client.doctor.check_sequence import run_checks
from client.doctor.verdict import CheckStatus
from client.failures import Unreachable
from client.net.http_api import HttpApi
from client.net.proxy_route import Route, UnusableEnvironment, route_to, tls_context
from tests.unit.client.twin import Person

HTTPS, HTTP = "https://chat.example.org", "http://127.0.0.1:9"
SOCKS = ["socks5://127.0.0.1:9", "socks5h://127.0.0.1:9", "socks://127.0.0.1:9", "socks4://127.0.0.1:9"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no", "ws", "wss", "socks"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


class TestProxy:
    @pytest.mark.parametrize(
        ("environ", "server", "proxy", "source"),
        [
            ({}, HTTPS, None, ""),
            ({"HTTPS_PROXY": "http://p:1"}, HTTPS, "http://p:1", "HTTPS_PROXY"),
            ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, HTTPS, "http://p:1", "https_proxy"),
            ({"HTTPS_PROXY": "http://p:1"}, HTTP, None, ""),
            ({"http_proxy": "http://p:1"}, HTTP, "http://p:1", "http_proxy"),
            ({"ALL_PROXY": "http://p:1"}, HTTP, "http://p:1", "ALL_PROXY"),
            ({"ALL_PROXY": "http://p:1"}, HTTPS, "http://p:1", "ALL_PROXY"),
            ({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://q:2"}, HTTPS, "http://q:2", "HTTPS_PROXY"),
            ({"socks_proxy": "socks5://p:1", "wss_proxy": "http://p:1"}, HTTPS, None, ""),
            ({"https_proxy": "p:3128"}, HTTPS, "http://p:3128", "https_proxy"),
            ({"https_proxy": "https://p/"}, HTTPS, "https://p:443", "https_proxy"),
            ({"https_proxy": "http://me@[::1]:3128/"}, HTTPS, "http://me:@[::1]:3128", "https_proxy"),
            ({"https_proxy": "http://p:1", "NO_PROXY": "example.org"}, HTTPS, None, ""),
            ({"https_proxy": "http://p:1", "NO_PROXY": "*"}, HTTPS, None, ""),
            ({"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8, 127.0.0.0/8"}, HTTP, None, ""),
            ({"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, HTTP, "http://p:1", "http_proxy"),
            ({"http_proxy": "http://p:1", "NO_PROXY": "[fd00::]/8,[::1]"}, "http://[::1]:9", None, ""),
            ({"https_proxy": "http://p:1", "NO_PROXY": "*.Example.org"}, HTTPS, None, ""),
            ({"https_proxy": "http://p:1", "NO_PROXY": "*.ample.org"}, HTTPS, "http://p:1", "https_proxy"),
            ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "localhost,127.0.0.1"}, HTTP, None, ""),
        ],
    )
    def test_proxy_variables_select_the_route(
        self, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], server: str, proxy: str | None, source: str
    ) -> None:
        set_all(monkeypatch, environ)
        assert route_to(server) == Route(proxy, source)

    @pytest.mark.parametrize("proxy", [*SOCKS, "http://127.0.0.1:notaport", "http://", "ftp://p:1", "http://pröxy:1"])
    def test_unusable_proxy_is_refused_with_the_name_of_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, proxy: str
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(
            UnusableEnvironment, match=r"ALL_PROXY.*: correct ALL_PROXY, or add chat\.example\.org to NO_P"
        ):
            route_to(HTTPS)

    def test_explained_failure_names_the_proxy_without_its_password(self) -> None:
        words = Route("http://me:secret@p:3128", "https_proxy").explain("connection refused")
        assert words == "connection refused (through the proxy http://p:3128, set by https_proxy)"


class TestSocksProxy:
    @pytest.mark.parametrize("proxy", SOCKS)
    def test_http_request_is_unreachable_and_names_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, proxy: str
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(Unreachable, match="ALL_PROXY names a SOCKS proxy"), HttpApi(HTTP) as api:
            api.sessions()

    @pytest.mark.parametrize("proxy", SOCKS)
    async def test_open_chat_keeps_trying_and_names_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", proxy)
        async with Person(HTTP, tmp_path) as person:
            cut, _ = (await person.see(notes.Disconnected, 2))[:2]
        assert "ALL_PROXY names a SOCKS proxy" in cut.why

    async def test_doctor_names_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALL_PROXY", SOCKS[0])
        first = await anext(run_checks(HTTP, None, 0))
        assert (first.status, first.seen) == (
            CheckStatus.FAILED,
            "ALL_PROXY names a SOCKS proxy, and only HTTP proxies are supported",
        )
        assert first.advice == "Correct ALL_PROXY, or add 127.0.0.1 to NO_PROXY."


@asynccontextmanager
async def counting_proxy(answer: str = "503 Away") -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that refuses everything; its address, and the first line of each request."""
    lines: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "http_proxy"])
async def test_both_halves_of_the_client_use_the_same_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    def ask() -> None:
        with HttpApi(HTTP, "t") as api, pytest.raises(Unreachable):
            api.sessions()

    async with counting_proxy() as (address, lines):
        monkeypatch.setenv(variable, address)
        await asyncio.to_thread(ask)
        async with Person(HTTP, tmp_path) as person:
            (cut,) = (await person.see(notes.Disconnected))[:1]
    assert lines[:2] == ["GET http://127.0.0.1:9/sessions HTTP/1.1", "CONNECT 127.0.0.1:9 HTTP/1.1"]
    assert f"set by {variable}" in cut.why


async def test_proxy_that_needs_a_login_is_reported_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ask(server: str) -> str:
        with HttpApi(server, "t") as api, pytest.raises(Unreachable) as failure:
            api.sessions()
        return str(failure.value)

    async with counting_proxy("407 Proxy Authentication Required") as (address, _):
        monkeypatch.setenv("ALL_PROXY", address)
        said = [await asyncio.to_thread(ask, HTTP), await asyncio.to_thread(ask, HTTPS)]
        async with Person(HTTP, tmp_path) as person:
            (cut,) = (await person.see(notes.Disconnected))[:1]
    assert all("the proxy needs a login: set ALL_PROXY to http://NAME" in words for words in [*said, cut.why])


class TestCertificates:
    def test_system_authorities_are_trusted(self) -> None:
        assert tls_context().verify_mode is ssl.CERT_REQUIRED
        assert tls_context() is tls_context()

    @pytest.mark.parametrize("text", [None, "", "no certificate"])
    def test_unreadable_certificate_file_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
    ) -> None:
        file = tmp_path / "ca.pem"
        if text is not None:
            file.write_text(text)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with pytest.raises(Unreachable, match=r"SSL_CERT_FILE can't be used \(.*ca.pem: "), HttpApi(HTTPS) as api:
            api.sessions()

    def test_wrong_certificate_file_does_not_matter_without_tls(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(Unreachable, match="connection refused"), HttpApi(HTTP) as api:
            api.sessions()

    def test_missing_certificate_folder_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        with pytest.raises(UnusableEnvironment, match="SSL_CERT_DIR"):
            tls_context()

    async def test_open_chat_keeps_trying_until_the_certificate_file_is_corrected(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with Person("https://127.0.0.1:9", tmp_path) as person:
            await person.see(notes.Disconnected)
            monkeypatch.delenv("SSL_CERT_FILE")
            person.connection.try_now()
            cuts = await person.see(notes.Disconnected, 2)
        assert "SSL_CERT_FILE" in cuts[0].why
        assert cuts[1].why == "connection refused"
