"""Process control and accounting: pinning to cores, CPU time, memory, open files. Linux only."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple


class Cores(NamedTuple):
    """Cores for server and load generator; None: no pinning."""

    server: int | None
    load: int | None


def choose_cores() -> Cores:
    """Use a separate core for server and load generator if there are two."""
    available = sorted(os.sched_getaffinity(0))
    return Cores(available[0], available[-1]) if len(available) > 1 else Cores(None, None)


def spawn(
    command: Sequence[str],
    core: int | None,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: int | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process on a core. Threads and children inherit the affinity, so it is set before the start."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=folder, env=environment)
    finally:
        os.sched_setaffinity(0, before)


def stop(process: subprocess.Popen[bytes], patience_s: float = 10) -> None:
    """Terminate the process; kill it after `patience_s` seconds."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process, including finished ones.

    /proc/PID/stat counts in ticks of 10 ms. The process's CPU clock counts in nanoseconds; its id is derived from the
    PID as `clock_getcpuclockid` (glibc) does.
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_kib(pid: int) -> float:
    """Resident memory of a process in KiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def raise_open_files(wanted: int) -> int:
    """Raise the limit on open files for this process and its children as far as allowed; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return soft
    with suppress(ValueError, OSError):  # above the hard limit: needs root, and may be denied even then
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return min(wanted, hard)


def allow_open_files(wanted: int) -> None:
    """Raise the limit on open files for this process and its children; exit with a message if it is not allowed."""
    if (allowed := raise_open_files(wanted)) < wanted:
        raise SystemExit(f"bench: {too_few_files(wanted, allowed)}")


def too_few_files(wanted: int, allowed: int) -> str:
    return f"{wanted:,} open files are needed, a process may have {allowed:,}; try `ulimit -n {wanted}` as root"
