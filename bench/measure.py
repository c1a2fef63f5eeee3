"""One run: start a subject, put a load on it, and see what both it and the load generator say."""

import time
from dataclasses import dataclass, replace

from bench.loadgen import Load, Seen, generating
from bench.processes import cpu_s, resident_kib
from bench.subject import Running, Subject

SETTLE_S = 1.0
"""After connections came or went, memory is looked at this much later (seconds)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave. CPU is the server's, from the run's begin to its last answer."""

    load: Load
    seen: Seen
    cpu_s: float = 0.0
    memory_before_kib: float = 0.0
    memory_connected_kib: float = 0.0


def measure(subject: Subject, load: Load, core: int | None) -> Outcome:
    """Run `load` on a server that was just started, the load generator on `core`."""
    with subject.running() as running:
        return _run(running, load, core) if load.sends else _connect(running, load, core)


def _run(running: Running, load: Load, core: int | None) -> Outcome:
    with generating(load, running.dialect, core) as generator:
        generator.await_word("ready")
        generator.go()
        generator.await_word("run")
        before_s = cpu_s(running.pid)
        generator.await_word("end")
        return Outcome(load, cpu_s=cpu_s(running.pid) - before_s, seen=generator.result())


def _connect(running: Running, load: Load, core: int | None) -> Outcome:
    """Connect and stay idle. A few connections beforehand make the server load and allocate what it needs once."""
    _stay(running, replace(load, members=50), core)
    time.sleep(SETTLE_S)
    return _stay(running, load, core)


def _stay(running: Running, load: Load, core: int | None) -> Outcome:
    before_kib = resident_kib(running.pid)
    with generating(load, running.dialect, core) as generator:
        generator.await_word("ready")
        time.sleep(SETTLE_S)
        connected_kib = resident_kib(running.pid)
        generator.finish()
        return Outcome(load, generator.result(), memory_before_kib=before_kib, memory_connected_kib=connected_kib)


def troubles(outcome: Outcome) -> list[str]:
    """What went otherwise than it should: such a run's figures are to be read with it. Pure."""
    seen = outcome.seen
    found = []
    if seen.connected < outcome.load.members:
        found.append(f"{outcome.load.members - seen.connected:,} of {outcome.load.members:,} could not connect")
    if seen.refused:
        found.append(f"{seen.refused:,} messages were refused")
    if seen.acked < seen.sent:
        found.append(f"{seen.sent - seen.acked:,} of {seen.sent:,} messages had no ack 5 s after the run")
    if seen.delivered < seen.expected:
        found.append(
            f"{seen.expected - seen.delivered:,} of {seen.expected:,} deliveries had not come 5 s after the run"
        )
    if seen.closed:
        found.append(f"{seen.closed:,} connections were lost")
    if outcome.load.sends and seen.cpu_s > 0.9 * (seen.run_s + outcome.load.warm_s):
        found.append("the load generator itself was busy all the time")
    return found
