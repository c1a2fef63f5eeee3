"""One run: start a subject, apply a load, and collect the results of the load generator and the CPU times."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from bench.loadgen import Load, Seen, generating
from bench.processes import cpu_s, resident_kib, spawn, stop
from bench.subject import Running, Subject

SETTLE_S = 1.0
"""Delay between connecting or disconnecting and reading the memory (seconds)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run. `cpu_s` is the server's CPU time from the start of the run to the last answer;
    `others_cpu_s` that of its supporting processes, by name.
    """

    load: Load
    seen: Seen
    cpu_s: float = 0.0
    memory_before_kib: float = 0.0
    memory_connected_kib: float = 0.0
    others_cpu_s: Mapping[str, float] = field(default_factory=dict)
    is_acked: bool = True
    """Whether this server acknowledges messages."""

    @property
    def is_lossy(self) -> bool:
        """Whether a member was not connected until the end or missed a message."""
        seen = self.seen
        return seen.delivered < seen.expected or seen.connected < self.load.members or seen.closed > 0


def measure(subject: Subject, load: Load, core: int | None) -> Outcome:
    """Run `load` on a freshly started server, with the load generator on `core`."""
    with subject.running() as running:
        return measure_on(running, load, core)


def measure_on(running: Running, load: Load, core: int | None) -> Outcome:
    """Run `load` on a server that is already running."""
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
    """CPU time of each process; the key of the server, including its replicas, is empty."""
    server_s = sum(cpu_s(pid) for pid in (running.pid, *running.replicas))
    return {"": server_s, **{name: cpu_s(pid) for name, pid in running.others.items()}}


@contextmanager
def _publishing(running: Running, load: Load, core: int | None) -> Iterator[None]:
    """Run a publisher during the block, if the load is published."""
    if not load.published:
        yield
        return
    with spawn([*running.publisher, f"{load.rate:g}"], core, stdout=subprocess.PIPE) as publisher:
        try:
            assert publisher.stdout is not None
            publisher.stdout.readline()  # it has started
            yield
        finally:
            stop(publisher)


def _connect(running: Running, load: Load, core: int | None) -> Outcome:
    """Connect and stay idle. A few earlier connections make the server do its one-time imports and allocations."""
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
    """Everything that was lost, refused or late: a reader of this run's figures must know it. Pure."""
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
            f"{seen.expected - seen.delivered:,} of {seen.expected:,} deliveries had not arrived 5 s after the run"
        )
    if seen.closed:
        found.append(f"{seen.closed:,} connections were lost")
    if outcome.load.runs and seen.cpu_s > 0.9 * (seen.run_s + outcome.load.warm_s):
        found.append("the load generator itself was busy all the time")
    return found
