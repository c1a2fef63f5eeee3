"""Passwords from a configured command, or from the system's keyring."""

import os
import select
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from client.config.config_schema import Config
from client.failures import Failure, UsageError
from client.text.sanitize import inert

OUTPUT_BYTES = 64 * 1024
"""A password command that prints more is refused."""

POLL_S = 0.02
"""How often a command that prints nothing is checked for its end (seconds)."""


class Keyring(Protocol):
    """The part of the package `keyring` that is used; it raises what its backends raise."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...


def known_password(config: Config, server: str, username: str) -> str | None:
    """The password for `username` at `server`, or None if the user must be prompted; raises `Failure`.

    The password command applies to the configured username, or to every username if none is configured.
    """
    if config.password_command and config.username.casefold() in {"", username.casefold()}:
        return from_command(config.password_command, config.password_timeout_s)
    return from_keyring(server, username) if config.keyring else None


def from_command(command: tuple[str, ...], timeout_s: float) -> str:
    """The first line that a command prints; its standard error goes to the terminal. Raises `Failure`.

    No shell is involved, and the command gets only the configured arguments. It keeps the terminal, so that it can ask
    for a passphrase.
    """
    name = inert(command[0])
    stdin = None if sys.stdin.isatty() else subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE)  # noqa: S603 - the user configured it
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise Failure(f"Can't run the password command {name}: {why}.") from None
    with process:
        try:
            output = _output(process, time.monotonic() + timeout_s)
        except BaseException:
            process.kill()
            raise
    if output is None:
        raise Failure(f"The password command {name} timed out after {timeout_s:g} s.")
    return _first_line(name, process.returncode, output)


def _output(process: "subprocess.Popen[bytes]", until_s: float) -> bytes | None:
    """Read the output, up to a little more than `OUTPUT_BYTES`; None if the command timed out, and was killed.

    A background process of the command may hold the pipe open forever, so the end of the command itself is enough.
    """
    assert process.stdout is not None  # noqa: S101 - for the type checker
    output, descriptor, is_open = b"", process.stdout.fileno(), True
    while time.monotonic() < until_s and len(output) <= OUTPUT_BYTES:
        ready, _, _ = select.select([descriptor] if is_open else [], [], [], POLL_S)
        if ready:
            more = os.read(descriptor, 4096)
            is_open, output = bool(more), output + more
        elif process.poll() is not None:
            return output
    process.kill()
    return output if len(output) > OUTPUT_BYTES else None


def _first_line(name: str, code: int, output: bytes) -> str:
    if len(output) > OUTPUT_BYTES:
        raise Failure(f"The password command {name} printed more than {OUTPUT_BYTES // 1024} KiB.")
    if code < 0:
        raise Failure(f"The password command {name} was killed by signal {-code}.")
    if code:
        raise Failure(f"The password command {name} failed: exit code {code}.")
    line = output.split(b"\n", 1)[0].removesuffix(b"\r")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise Failure(f"The password command {name} printed a password that is not valid UTF-8.") from None
    if not password:
        raise Failure(f"The password command {name} printed an empty first line instead of a password.")
    return password


def from_keyring(server: str, username: str) -> str | None:
    """The password in the keyring; None if there is none. Raises `Failure`."""
    try:
        return _keyring().get_password(_service(server), username)
    except Failure:
        raise
    except Exception as problem:  # noqa: BLE001 - backends are plugins, and raise anything
        raise _unusable(problem) from None


def into_keyring(server: str, username: str, password: str) -> None:
    """Store a password in the keyring; raises `Failure`."""
    try:
        _keyring().set_password(_service(server), username, password)
    except Failure:
        raise
    except Exception as problem:  # noqa: BLE001 - as above
        raise _unusable(problem) from None


def _keyring() -> Keyring:
    if find_spec("keyring") is None:
        raise UsageError("keyring = true needs the Python package keyring. Run: pipx inject chatterbox keyring")
    return cast("Keyring", import_module("keyring"))


def _service(server: str) -> str:
    return f"chatterbox {server}"


def _unusable(problem: Exception) -> Failure:
    return Failure(f"Can't use the keyring: {inert(str(problem)) or type(problem).__name__}")
