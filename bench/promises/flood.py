"""Promise "a flood delays only itself": others' pings beside a connection or an account that floods."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.promises.bars import Bar, Judged, Line, Part, p99
from tests.chaos.attacker import attacked
from tests.support.peer import HANDSHAKE, PING, TEXT, frame
from tests.support.talker import Talker
from tests.support.topology import Service, newcomer, topology

BYTES_PER_S = 2_000_000
PING_S = 0.02
OTHERS_P99_MS = 100.0
FLOODS = {
    "tiny frames": frame(TEXT, b'{"type":"ping","id":1}') * 500,
    "pings": frame(PING) * 2000,
    "deep JSON": frame(TEXT, b'{"type":"ping","id":1,"x":[' + b",".join([b"{}"] * 21_000) + b"]}"),
}
"""What the attacker sends, again and again."""
OTHERS_RATIO = 2.0
"""How much slower the p99 ping may be beside another flood than without one."""
OTHER_FLOODS = {
    "commands": 5, "listings": 20, "topics": 20, "joins and leaves": 20, "absurd requests": 20,
    "half-open connections": 200, "unread connections": 10, "logins": 20,
}  # fmt: skip
"""Attacks of one account and address, and how many of each run at once, each as fast as the server answers.

Logins come last: afterwards the account is throttled.
"""
AS_FAST_AS_ANSWERED = "10000"
"""Requests per second of each connection: more than a server answers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Duration of each flood."""

    run_s: float = 10


@dataclass(slots=True)
class Site:
    """A gateway, a user who pings, and the attacker's token."""

    port: int
    other: Talker
    token: str


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with topology(folder, gateways=1, started=True) as whole:
        (gateway,) = whole.gateways
        token = await whole.newcomer("attacker")
        async with gateway.talker(await whole.newcomer("other")) as other:
            yield Site(gateway.port, other, token)


@asynccontextmanager
async def one_process(folder: Path) -> AsyncIterator[Site]:
    """Everything in one process, where floods of requests meet the pings on one event loop."""
    service = Service("chatterbox", "allinone", folder, {})
    await service.start()
    try:
        await service.until_ready()
        tokens = [await newcomer(service.url, username) for username in ("attacker", "other")]
        async with service.talker(tokens[1]) as other:
            yield Site(service.port, other, tokens[0])
    finally:
        await service.kill()


@dataclass(slots=True)
class Measured:
    """The other user's round trips (milliseconds): without a flood, and for each flood and attacker."""

    calm: list[float] = field(default_factory=list)
    flooded: dict[str, list[float]] = field(default_factory=dict)
    calm_between: list[float] = field(default_factory=list)
    """In one process, without a flood, before each of the other floods."""
    others: dict[str, list[float]] = field(default_factory=dict)
    """In one process, beside each of the other floods."""
    troubles: list[str] = field(default_factory=list)


async def measure(site: Site, plan: Plan) -> Measured:
    """Run each flood from a connection without a token and from one with a token."""
    measured = Measured(calm=await _round_trips(site.other, plan.run_s))
    for name in FLOODS:
        for who, token in (("without", ""), ("with", site.token)):
            title = f"{name}, from a connection {who} a token"
            print(f"flood: {title}", flush=True)
            attacker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.promises.flood", str(site.port), name, str(plan.run_s), token
            )
            measured.flooded[title] = await _round_trips(site.other, plan.run_s)
            if await attacker.wait():
                measured.troubles.append(f"{title}: the attacker failed")
    return measured


async def measure_others(site: Site, plan: Plan, measured: Measured) -> None:
    """Run each of the other floods against one process, with a calm time before each."""
    for name, copies in OTHER_FLOODS.items():
        measured.calm_between += await _round_trips(site.other, plan.run_s / 2)
        print(f"flood: {copies} × {name}", flush=True)  # noqa: RUF001
        options = ("--only", name, "--copies", str(copies), "--rate", AS_FAST_AS_ANSWERED)
        async with attacked(f"http://127.0.0.1:{site.port}", "attacker", *options) as through:
            await asyncio.sleep(1)  # fixed: the attack has begun
            measured.others[f"{copies} × {name}"] = await _round_trips(site.other, plan.run_s)  # noqa: RUF001
        if not through[name]:
            measured.troubles.append(f"{name}: nothing got through to the server")


async def _round_trips(other: Talker, run_s: float) -> list[float]:
    loop = asyncio.get_running_loop()
    until_s, took_ms = loop.time() + run_s, []
    while loop.time() < until_s:
        sent_s = loop.time()
        await other.ask("ping")
        took_ms.append((loop.time() - sent_s) * 1000)
        await asyncio.sleep(PING_S)
    return took_ms


def part(measured: Measured) -> Part:
    """The figures of these measurements."""
    flooded = measured.flooded.items()
    calm_p99_ms = p99(measured.calm_between)
    lines = [
        *(
            Line(Bar(f"another user's ping beside {title}", "ms", Judged.P99, OTHERS_P99_MS, 1), took_ms)
            for title, took_ms in flooded
        ),
        Line(Bar("another user's ping without a flood", "ms", digits=1), measured.calm),
        *(
            Line(
                Bar(f"one process: another user's ping beside {title}", "× calm p99", Judged.P99, OTHERS_RATIO),  # noqa: RUF001
                [took / calm_p99_ms for took in took_ms],
            )
            for title, took_ms in measured.others.items()
        ),
        Line(Bar("one process: another user's ping without a flood", "ms", digits=1), measured.calm_between),
    ]
    return Part("Floods", _MADE, lines)


_MADE = (
    f"One gateway. One connection sends {BYTES_PER_S / 1e6:g} MB/s, as far as the gateway reads it, and connects again "
    "when it is closed; another user's connection sends a `ping` command every 20 ms. n counts round trips. Attacker, "
    "measurement and server share the machine's cores. In one process, each of the other floods comes from one address "
    "and one account, over as many connections as its line says, as fast as the server answers."
)


def attack(port: int, data: bytes, run_s: float, token: str) -> None:
    """Send `data` again and again for `run_s` seconds, at `BYTES_PER_S`."""
    until_s = time.monotonic() + run_s
    while (now_s := time.monotonic()) < until_s:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), run_s)) as line:
            _flood(line, data, now_s, until_s, token)
        time.sleep(0.01)


def _flood(line: socket.socket, data: bytes, now_s: float, until_s: float, token: str) -> None:
    authorization = f"Authorization: Bearer {token}\r\n".encode() if token else b""
    line.sendall(HANDSHAKE + authorization + b"\r\n")
    line.recv(4096)
    line.setblocking(False)
    for piece in _paced(data, now_s, until_s):
        with suppress(BlockingIOError):
            while line.recv(65_536):
                pass
        unsent = memoryview(piece)
        while unsent and time.monotonic() < until_s:
            try:
                unsent = unsent[line.send(unsent) :]
            except BlockingIOError:
                time.sleep(0.005)


def _paced(data: bytes, began_s: float, until_s: float) -> Iterator[bytes]:
    sent_bytes = 0
    while (now_s := time.monotonic()) < until_s:
        yield data
        sent_bytes += len(data)
        time.sleep(max(0.0, began_s + sent_bytes / BYTES_PER_S - now_s))


def main(arguments: Sequence[str]) -> None:
    port, name, run_s, token = arguments
    attack(int(port), FLOODS[name], float(run_s), token)


if __name__ == "__main__":
    main(sys.argv[1:])
