"""Proxies with one fault each, as real servers on loopback in front of a real one, and certificates for them."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HEAD_END = b"\r\n\r\n"


def _same(head: bytes) -> bytes:
    return head


def _pass_on(head: bytes) -> bytes | None:
    return None


@dataclass(frozen=True)
class Fault:
    """The fault of a proxy; by default it changes nothing."""

    instead: Callable[[bytes], bytes | None] = _pass_on
    """Takes a request's head; returns the complete response, or None to forward the request."""
    request: Callable[[bytes], bytes] = _same
    answer: Callable[[bytes], bytes] = _same
    """Change the head of a request, or of a response."""
    hold_s: float = 0.0
    """What the server sends after its first response is held back and passed on in bursts, this far apart (seconds)."""
    idle_s: float | None = None
    """An idle connection is cut after this time (seconds)."""
    frame_bytes: int | None = None
    """A larger frame from the client cuts its connection."""


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def proxy(port: int, fault: Fault, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run a proxy in front of `port` on this machine; yields its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Exchange(fault, reader, writer).carry(port)

    async with _serving(serve, tls) as address:
        yield address


@asynccontextmanager
async def tunnel() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that clients are configured with (CONNECT); yields its address and the heads of the requests."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(HEAD_END)
        asked.append(head)
        host, port = head.split()[1].decode().rsplit(":", 1)
        back, onward = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_carry(reader, onward), _carry(back, writer))
        finally:
            onward.transport.abort()

    async with _serving(serve) as address:
        yield address, asked


@asynccontextmanager
async def _serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve connections on a free port; those still open at the end are cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


class _Exchange:
    """One connection through the proxy: a request, its response, and the bytes that follow."""

    def __init__(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._fault = fault
        self._reader = reader
        self._writer = writer
        self._rest_of_frame = 0

    async def carry(self, port: int) -> None:
        head = await self._reader.readuntil(HEAD_END)
        instead = self._fault.instead(head)
        if instead is not None:
            self._writer.write(instead)
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()
            return
        back, onward = await asyncio.open_connection("127.0.0.1", port)
        try:
            onward.write(self._fault.request(head))
            answer = self._fault.answer(await back.readuntil(HEAD_END))
            self._writer.write(answer)
            up = asyncio.create_task(self._up(onward))
            down = asyncio.create_task(self._down(back))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        finally:
            onward.transport.abort()

    async def _up(self, onward: asyncio.StreamWriter) -> None:
        while data := await self._some(self._reader):
            if self._is_too_large(data):
                return
            onward.write(data)
            await onward.drain()

    async def _down(self, back: asyncio.StreamReader) -> None:
        while data := await self._some(back):
            if self._fault.hold_s:
                await asyncio.sleep(self._fault.hold_s)
            self._writer.write(data)
            await self._writer.drain()

    async def _some(self, source: asyncio.StreamReader) -> bytes:
        """The next bytes; empty after the idle time or at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._fault.idle_s):
                return await source.read(65_536)
        return b""

    def _is_too_large(self, data: bytes) -> bool:
        """Read the length of the frame that begins here (RFC 6455 section 5.2); each is written by itself."""
        if self._fault.frame_bytes is None:
            return False
        if self._rest_of_frame > 0:
            self._rest_of_frame -= len(data)
            return False
        size = data[1] & 0x7F
        size = int.from_bytes(data[2:4]) if size == 126 else int.from_bytes(data[2:10]) if size == 127 else size
        self._rest_of_frame = size + 8 - len(data)
        return size > self._fault.frame_bytes


def without(*names: bytes) -> Callable[[bytes], bytes]:
    """A head without these header lines."""

    def change(head: bytes) -> bytes:
        lines = head.split(b"\r\n")
        return b"\r\n".join(line for line in lines if line.split(b":")[0].lower() not in names)

    return change


def on_handshakes(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the heads of handshakes alone."""
    return lambda head: change(head) if b" /ws " in head else head


def page(status: str, title: str, more: str = "") -> bytes:
    """A complete response with an HTML page, as proxies write them."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
    head = f"HTTP/1.1 {status}\r\nserver: nginx/1.27\r\ncontent-type: text/html\r\n{more}content-length: {len(body)}"
    return f"{head}\r\nconnection: close\r\n\r\n".encode() + body


def always(answer: bytes) -> Fault:
    """Another program, or a proxy that reaches no server: the same response to every request."""
    return Fault(instead=lambda _: answer)


def for_handshakes(answer: bytes) -> Fault:
    """A proxy that passes everything except /ws."""
    return Fault(instead=lambda head: answer if b" /ws " in head else None)


class Authority:
    """A certificate authority; `path` is its certificate, for SSL_CERT_FILE of clients that trust it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of these tests")])
        self.path = folder / "authority.pem"
        begin = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._built(self._name, self._key, days=30).add_extension(begin, critical=True)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        signed = certificate.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def server(self, *, days: float = 90, host: str = "127.0.0.1", self_signed: bool = False) -> ssl.SSLContext:
        """TLS for a server whose certificate has this many days left of 100, signed by this authority or by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._built(name, key, days=days, issuer=name if self_signed else self._name)
        with contextlib.suppress(ValueError):
            alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
            certificate = certificate.add_extension(alternative, critical=False)
        signed = certificate.sign(key if self_signed else self._key, hashes.SHA256())
        path = self._folder / f"{signed.serial_number}.pem"
        encoding = serialization.Encoding.PEM
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + signed.public_bytes(encoding))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _built(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: float, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer or self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=100))
            .not_valid_after(end)
        )
