"""Where a password comes from without anybody being asked: a command of the person's, or the system's keyring."""

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
"""A command that prints more is not one that prints a password."""

LOOK_S = 0.02
"""How often it is looked whether a program that prints nothing has ended."""


class Keyring(Protocol):
    """What is used of the package `keyring`; it raises what its backends raise."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...


def known_password(config: Config, server: str, username: str) -> str | None:
    """The password for `username` at `server`, or None if a person must be asked; raises `Failure`.

    The command is for the configured user; where none is configured, for everybody.
    """
    if config.password_command and config.username.casefold() in {"", username.casefold()}:
        return from_command(config.password_command, config.password_timeout_s)
    return from_keyring(server, username) if config.keyring else None


def from_command(command: tuple[str, ...], timeout_s: float) -> str:
    """The first line that a program prints. What it says of itself goes to the terminal. Raises `Failure`.

    No shell is involved, and nothing but the configured words reaches the program. It keeps the terminal, so that it
    can ask for a passphrase.
    """
    name = inert(command[0])
    asks = None if sys.stdin.isatty() else subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=asks, stdout=subprocess.PIPE)  # noqa: S603 - the person's own
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise Failure(f"The password command {name} can't be run: {why}.") from None
    with process:
        try:
            output = _output(process, time.monotonic() + timeout_s)
        except BaseException:
            process.kill()
            raise
    if output is None:
        raise Failure(f"The password command {name} was not done after {timeout_s:g} s.")
    return _first_line(name, process.returncode, output)


def _output(process: "subprocess.Popen[bytes]", until_s: float) -> bytes | None:
    """All that is printed, but not much more than `OUTPUT_BYTES`; None if the program took too long, and was ended.

    What the program leaves running may hold the pipe for ever, so its own end is enough.
    """
    assert process.stdout is not None  # noqa: S101 - for the type checker
    output, descriptor, is_open = b"", process.stdout.fileno(), True
    while time.monotonic() < until_s and len(output) <= OUTPUT_BYTES:
        ready, _, _ = select.select([descriptor] if is_open else [], [], [], LOOK_S)
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
        raise Failure(f"The password command {name} was ended by signal {-code}.")
    if code:
        raise Failure(f"The password command {name} failed: exit code {code}.")
    line = output.split(b"\n", 1)[0].removesuffix(b"\r")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise Failure(f"The password command {name} printed something that is not UTF-8.") from None
    if not password:
        raise Failure(f"The password command {name} printed no password in its first line.")
    return password


def from_keyring(server: str, username: str) -> str | None:
    """The password that the keyring has, if it has one; raises `Failure`."""
    try:
        return _keyring().get_password(_service(server), username)
    except Failure:
        raise
    except Exception as problem:  # noqa: BLE001 - backends are plugins, and raise what they like
        raise _locked(problem) from None


def into_keyring(server: str, username: str, password: str) -> None:
    """Keep a password that was good; raises `Failure`."""
    try:
        _keyring().set_password(_service(server), username, password)
    except Failure:
        raise
    except Exception as problem:  # noqa: BLE001 - as above
        raise _locked(problem) from None


def _keyring() -> Keyring:
    if find_spec("keyring") is None:
        raise UsageError("keyring = true needs Python's keyring package: pipx inject chatterbox keyring")
    return cast("Keyring", import_module("keyring"))


def _service(server: str) -> str:
    return f"chatterbox {server}"


def _locked(problem: Exception) -> Failure:
    return Failure(f"The keyring can't be used: {inert(str(problem)) or type(problem).__name__}")
