"""One run: start a subject, put a load on it, and see what both it and the load generator say."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from bench.loadgen import Load, Seen, generating
from bench.processes import cpu_s, resident_kib, spawn, stop
from bench.subject import Running, Subject

SETTLE_S = 1.0
"""After connections came or went, memory is looked at this much later (seconds)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave. CPU is the server's, from the run's begin to its last answer; `others_cpu_s` that of the
    processes that work for it, by name.
    """

    load: Load
    seen: Seen
    cpu_s: float = 0.0
    memory_before_kib: float = 0.0
    memory_connected_kib: float = 0.0
    others_cpu_s: Mapping[str, float] = field(default_factory=dict)
    is_acked: bool = True
    """Whether this server acknowledges messages at all."""

    @property
    def is_lossy(self) -> bool:
        """Whether somebody was not connected to the end, or did not get everything."""
        seen = self.seen
        return seen.delivered < seen.expected or seen.connected < self.load.members or seen.closed > 0


def measure(subject: Subject, load: Load, core: int | None) -> Outcome:
    """Run `load` on a server that was just started, the load generator on `core`."""
    with subject.running() as running:
        return measure_on(running, load, core)


def measure_on(running: Running, load: Load, core: int | None) -> Outcome:
    """The same on one that runs already."""
    return _run(running, load, core) if load.runs else _connect(running, load, core)


def _run(running: Running, load: Load, core: int | None) -> Outcome:
    with generating(load, running.dialect, core) as generator:
        generator.await_word("ready")
        with _publishing(running, load, core):
            generator.go()
            generator.await_word("run")
            before_s = _cpus_s(running)
            generator.await_word("end")
            used_s = {name: after_s - before_s[name] for name, after_s in _cpus_s(running).items()}
        is_acked = running.dialect.ack is not None and not load.published
        return Outcome(load, generator.result(), used_s.pop(""), others_cpu_s=used_s, is_acked=is_acked)


def _cpus_s(running: Running) -> dict[str, float]:
    """The CPU that each process has used; the server's own, with all replicas, has no name."""
    server_s = sum(cpu_s(pid) for pid in (running.pid, *running.replicas))
    return {"": server_s, **{name: cpu_s(pid) for name, pid in running.others.items()}}


@contextmanager
def _publishing(running: Running, load: Load, core: int | None) -> Iterator[None]:
    """Somebody publishes past the server's front door while the block runs, where the load wants that."""
    if not load.published:
        yield
        return
    with spawn([*running.publisher, f"{load.rate:g}"], core, stdout=subprocess.PIPE) as publisher:
        try:
            assert publisher.stdout is not None
            publisher.stdout.readline()  # it has begun
            yield
        finally:
            stop(publisher)


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
    if outcome.is_acked and seen.acked < seen.sent:
        found.append(f"{seen.sent - seen.acked:,} of {seen.sent:,} messages had no ack 5 s after the run")
    if seen.delivered < seen.expected:
        found.append(
            f"{seen.expected - seen.delivered:,} of {seen.expected:,} deliveries had not come 5 s after the run"
        )
    if seen.closed:
        found.append(f"{seen.closed:,} connections were lost")
    if outcome.load.runs and seen.cpu_s > 0.9 * (seen.run_s + outcome.load.warm_s):
        found.append("the load generator itself was busy all the time")
    return found
