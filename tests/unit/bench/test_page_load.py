"""The load generator for pages, against a server in a thread of the test."""

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from bench.loadgen import parse
from bench.page_load import PageConnection, run

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 3\r\n\r\n"


def serve(listener: socket.socket, heads: Iterator[bytes]) -> None:
    """Answer each request with the next head, and a body that arrives in two parts."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, contextlib.suppress(ConnectionError):  # the last answer is not read any more
        while connection.recv(1000):
            for part in (next(heads), b"[", b"1]"):
                connection.sendall(part)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_pages_and_refusals_are_counted(listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    heads = itertools.cycle([OK, OK, REFUSED])
    thread = threading.Thread(target=serve, args=(listener, heads), daemon=True)
    thread.start()
    connection = PageConnection(listener.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")
    seen = parse(json.dumps(run([connection], warm_s=0.01, run_s=0.2)))
    connection.socket.close()
    thread.join()
    assert capsys.readouterr().out == "run\nend\n"
    assert seen.connected == 1
    assert seen.sent == seen.acked + seen.refused > 3
    assert abs(seen.acked - 2 * seen.refused) <= 2
    assert 0 < seen.ack_ms.p50 <= seen.ack_ms.p99 <= seen.ack_ms.max


def test_end_of_a_connection_is_an_error(listener: socket.socket) -> None:
    connection = PageConnection(listener.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")
    listener.accept()[0].close()
    with connection.socket, pytest.raises(ConnectionError, match="closed"):
        connection.is_answered()
