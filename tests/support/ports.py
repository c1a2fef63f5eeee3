"""Ports for servers that tests and benchmarks start."""

import contextlib
import random
import socket

PORTS = range(20_000, 32_000)
"""Below those that systems give out by themselves (Linux from 32768, macOS and Windows from 49152)."""


def free_port() -> int:
    """A port for a server that is stopped and started again: nobody who just asks for some port is given it meanwhile.

    Chosen by chance (whatever seed a test has set): other tests choose at the same time.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
