"""Load generator for pages over HTTP: each connection asks for the same page again and again, one request at a time.

It runs as a process of its own, `python -m bench.page_load PORT CONNECTIONS WARM_S RUN_S REQUEST`, speaks as `wsload.c`
does, and prints its result in the same format: a request counts as sent, and a page as acked.
"""

import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

READ_BYTES = 262_144
ANSWER_S = 5.0
"""After this time without any answer the run ends (seconds)."""


class PageConnection:
    """One connection, which has one request in flight."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = b""
        self._length = 0
        self.sent_s = 0.0
        self.is_ok = False

    def send(self) -> None:
        self._received, self._length = b"", 0
        self.sent_s = time.perf_counter()
        self.socket.sendall(self._request)

    def is_answered(self) -> bool:
        """Read what has arrived; whether the answer is complete. Raises `ConnectionError` at the end of the stream."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._received += data
        if not self._length:
            head, separator, _ = self._received.partition(b"\r\n\r\n")
            if not separator:
                return False
            self.is_ok = head.startswith(b"HTTP/1.1 200 ")
            _, _, rest = head.lower().partition(b"content-length:")
            self._length = len(head) + 4 + int(rest.partition(b"\r\n")[0] or 0)
        return len(self._received) >= self._length


def run(connections: Sequence[PageConnection], warm_s: float, run_s: float) -> dict[str, Any]:
    """Send requests over each connection until the time is over; announces the beginning and the end of the run."""
    ready = select.epoll()
    by_file = {connection.socket.fileno(): connection for connection in connections}
    for file, connection in by_file.items():
        ready.register(file, select.EPOLLIN)
        connection.send()
    begins_s = time.perf_counter() + warm_s
    is_running, refused = False, 0
    latencies_s: list[float] = []
    while (now_s := time.perf_counter()) < begins_s + run_s:
        if not is_running and now_s >= begins_s:
            is_running = True
            _say("run")
        found = ready.poll(ANSWER_S)
        if not found:
            break
        for file, _ in found:
            connection = by_file[file]
            if connection.is_answered():
                if connection.sent_s >= begins_s:
                    latencies_s.append(time.perf_counter() - connection.sent_s)
                    refused += not connection.is_ok
                connection.send()
    _say("end")
    return _result(len(connections), latencies_s, refused, run_s)


def _result(connections: int, latencies_s: list[float], refused: int, run_s: float) -> dict[str, Any]:
    """The result as `loadgen.Seen` describes it."""
    latencies_s.sort()
    count = len(latencies_s)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    at = {
        name: latencies_s[min(count - 1, int(share * count))] * 1000 if count else 0 for name, share in shares.items()
    }
    nothing = dict.fromkeys(shares, 0.0)
    return {
        "connected": connections, "failed": 0, "connect_s": 0.0, "sent": count, "acked": count - refused,
        "refused": refused, "acked_in_run": count - refused, "ack_ms": at, "expected": 0, "delivered": 0,
        "delivered_in_run": 0, "delivery_ms": nothing, "closed": 0, "run_s": run_s, "cpu_s": time.process_time(),
    }  # fmt: skip


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    port, count, warm_s, run_s, request = sys.argv[1:]
    connections = [PageConnection(int(port), request.encode()) for _ in range(int(count))]
    _say("ready")
    if sys.stdin.readline():
        _say(json.dumps(run(connections, float(warm_s), float(run_s))))


if __name__ == "__main__":
    main()
