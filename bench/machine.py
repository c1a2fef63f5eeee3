"""Describes the machine and the versions that the figures were measured with."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import interruptions
from bench.processes import Cores

LIBRARIES = ("fastapi", "uvicorn", "uvloop", "websockets", "msgspec", "aiosqlite", "pyjwt")


def describe(cores: Cores, data: Path) -> dict[str, str]:
    """Names and values, in display order."""
    return {
        "CPU": f"{cpu_model(_read('/proc/cpuinfo'))}, {os.cpu_count()} cores{_shared(cores)}",
        "memory": f"{memory_gib(_read('/proc/meminfo')):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"data on {file_system(_read('/proc/mounts'), data.resolve())}",
        "interruptions": interruptions.look(),
        "pinned": _pinned(cores),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "commit": first_line(["git", "describe", "--always", "--dirty"]) or "unknown",
    }


def cpu_model(cpuinfo: str) -> str:
    """The processor's name, from the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"} and value.strip():
            return value.strip()
    return platform.machine()


def memory_gib(meminfo: str) -> float:
    """Total memory in GiB, from the text of /proc/meminfo."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) / 2**20
    return 0.0


def file_system(mounts: str, path: Path) -> str:
    """The type of the file system that contains `path`, from the text of /proc/mounts."""
    best, kind = "", "an unknown file system"
    for line in mounts.splitlines():
        _, folder, this, *_ = line.split()
        if path.is_relative_to(folder) and len(folder) >= len(best):
            best, kind = folder, this
    return kind


def _shared(cores: Cores) -> str:
    siblings = _read(f"/sys/devices/system/cpu/cpu{cores.server}/topology/thread_siblings_list").strip()
    if cores.server is None or str(cores.load) not in siblings.replace("-", ",").split(","):
        return ""
    return " (the two in use are threads of one physical core)"


def _pinned(cores: Cores) -> str:
    if cores.server is None:
        return "no: one core for both server and load generator"
    return f"server on core {cores.server}, load generator on core {cores.load}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def first_line(command: Sequence[str]) -> str:
    """The first line of a command's output; empty when the command is missing or fails."""
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return next(iter(done.stdout.splitlines()), "")
