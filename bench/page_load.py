"""Load generator for pages over HTTP: connections that each send the next request after the answer to the last one.

It runs as a process of its own: `python -m bench.page_load PORT CONNECTIONS SECONDS`. The request is read from standard
input, and the result is printed as JSON.
"""

import json
import select
import socket
import sys
import time
from typing import NamedTuple

WARM_S = 0.5
"""Answers of the first moments are not counted (seconds)."""
_READ_BYTES = 262_144


class PagesSeen(NamedTuple):
    """What a run saw. `latencies_s` is sorted."""

    answers: int
    run_s: float
    statuses: dict[int, int]
    body_bytes: int
    """Of the last answer."""
    latencies_s: list[float]
    cpu_s: float
    """Of this load generator."""


class _Client:
    """One connection, which has one request in flight."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = b""
        self._end = 0
        self.sent_s = 0.0
        self.status = 0
        self.body_bytes = 0

    def send(self) -> None:
        self._received, self._end = b"", 0
        self.sent_s = time.perf_counter()
        self.socket.sendall(self._request)

    def is_answered(self) -> bool:
        """Read what has arrived; whether the answer is complete. Raises `ConnectionError` at its end."""
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._received += data
        if not self._end:
            head, separator, _ = self._received.partition(b"\r\n\r\n")
            if not separator:
                return False
            self.status = int(head[9:12])
            _, named, rest = head.lower().partition(b"content-length:")
            self.body_bytes = int(rest.partition(b"\r\n")[0]) if named else 0
            self._end = len(head) + 4 + self.body_bytes
        return len(self._received) >= self._end


def load(port: int, request: bytes, connections: int, run_s: float) -> PagesSeen:
    """Send `request` again and again over each connection."""
    clients = [_Client(port, request) for _ in range(connections)]
    ready = select.epoll()
    by_file = {client.socket.fileno(): client for client in clients}
    for file in by_file:
        ready.register(file, select.EPOLLIN)
    for client in clients:
        client.send()
    began_s = time.perf_counter() + WARM_S
    ends_s = began_s + run_s
    cpu_before_s = time.process_time()
    statuses: dict[int, int] = {}
    latencies_s = []
    now_s = time.perf_counter()
    while now_s < ends_s:
        for file, _ in ready.poll(1.0):
            client = by_file[file]
            if not client.is_answered():
                continue
            now_s = time.perf_counter()
            if now_s >= began_s:
                latencies_s.append(now_s - client.sent_s)
                statuses[client.status] = statuses.get(client.status, 0) + 1
            client.send()
        now_s = time.perf_counter()
    cpu_s = time.process_time() - cpu_before_s
    for client in clients:
        client.socket.close()
    return PagesSeen(len(latencies_s), run_s, statuses, clients[0].body_bytes, sorted(latencies_s), cpu_s)


def main() -> None:
    port, connections, run_s = sys.argv[1:]
    seen = load(int(port), sys.stdin.buffer.read(), int(connections), float(run_s))
    print(json.dumps(seen._asdict()))


if __name__ == "__main__":
    main()
