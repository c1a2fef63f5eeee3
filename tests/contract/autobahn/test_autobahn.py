"""The Autobahn test suite against the gateway's WebSocket implementation, with an echo handler."""

from pathlib import Path

import pytest

from services.gateway.core.frame_reader import Opcode
from services.gateway.core.frame_writer import text_frame
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.live_socket import LiveSocket, SocketReceiver
from tests.support import autobahn, socket_server

CACHE = Path(__file__).parents[2] / ".cache/autobahn"
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
"""Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes, chopped writes. 12 and 13 are about
compression, which is never agreed on."""
COUNT = 301
ACCEPTED = {"OK", "NON-STRICT", "INFORMATIONAL"}
TIMEOUT_S = 120
MESSAGE_BYTES = 2**24
"""The largest message of the cases under 9, and the number of fragments (below) in which one may come."""
FRAGMENTS = 2**17

pytestmark = pytest.mark.autobahn


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def wstest() -> Path:
    python = autobahn.python27()
    if python is None:
        pytest.skip("the Autobahn test suite needs a Python 2.7; set CHATTERBOX_PYTHON27 to one")
    try:
        return autobahn.install(python, CACHE)
    except autobahn.NotInstalledError as problem:
        pytest.skip(f"the Autobahn test suite can't be installed: {problem}")


class Echo:
    """Sends back what comes. Binary messages are the one thing the gateway's socket does not hand on."""

    def __init__(self, socket: "EchoSocket") -> None:
        self._socket = socket

    def on_text(self, data: bytes) -> None:
        self._socket.write(text_frame(data))

    def on_binary(self) -> None:
        self._socket.write(b"\x82" + text_frame(self._socket.binary)[1:])

    def on_full(self) -> None: ...

    def on_drained(self) -> None: ...
    def on_gone(self) -> None: ...

    def on_lost(self) -> None: ...


class EchoSocket(LiveSocket):
    """The gateway's socket, but keeping a binary message for the echo."""

    binary = b""

    def _on_other(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.BINARY:
            self.binary = payload
        super()._on_other(opcode, payload)


class EchoHandshake(Handshake):
    """With room for larger messages."""

    socket_class = EchoSocket
    fragments = FRAGMENTS


def echo(socket: LiveSocket) -> SocketReceiver:
    assert isinstance(socket, EchoSocket)
    return Echo(socket)


async def test_every_autobahn_case_passes(wstest: Path, tmp_path: Path) -> None:
    async with socket_server.serving(echo, handshake_class=EchoHandshake, frame_bytes=MESSAGE_BYTES) as port:
        report = await autobahn.run(wstest, f"ws://127.0.0.1:{port}/ws?token=t", CASES, tmp_path, TIMEOUT_S)
    unexpected = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in report.items()
        if not {result["behavior"], result["behaviorClose"]} <= ACCEPTED
    }
    assert unexpected == {}, f"see {tmp_path}/index.html"
    assert len(report) == COUNT
