"""Peers as subjects: installation, start and protocol."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.peers.installer import from_npm, from_pypi
from bench.redis_server import redis
from bench.server_process import Start, is_open, started
from bench.subject import Dialect, Running
from tests.support.ports import free_port

SERVERS = Path(__file__).parent / "servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A peer's definition. `install` returns the argument of `command`: a Python program, or an npm folder."""

    name: str
    title: str
    """The name in tables, including intermediaries such as Redis."""
    pins: Mapping[str, str]
    install: Callable[[], Path]
    command: Callable[[Path, int], Sequence[str]]
    """Takes the result of `install` and the port."""
    dialect: Callable[[int], Dialect]
    has_redis: bool = False


class Peer:
    """A peer on a core; `folder` is for its logs. Raises `NotInstalledError` when it can't be installed."""

    def __init__(self, kind: Kind, folder: Path, core: int | None) -> None:
        self.name = kind.title
        self.pins = kind.pins
        self._kind = kind
        self._folder = folder
        self._core = core
        self._installed = kind.install()

    @contextmanager
    def running(self) -> Iterator[Running]:
        port = free_port()
        with ExitStack() as stack:
            others: dict[str, int] = {}
            environment = dict(os.environ)
            if self._kind.has_redis:
                others["redis"], environment["REDIS_URL"] = stack.enter_context(redis(self._folder, self._core))
            command = self._kind.command(self._installed, port)
            start = Start(command, self._core, self._folder / f"{self._kind.name}.log", environment)
            pid = stack.enter_context(started(start, lambda: is_open(port)))
            yield Running(pid, self._kind.dialect(port), others)


def plain(port: int) -> Dialect:
    """The path names the room; each text frame is a message, sent unchanged to all members of the room."""
    return Dialect(port=port, path="/ws/{r}", message="{m}")


def one_by_one(port: int) -> Dialect:
    """Like `plain`, for a server that loses a subscription when two first subscribers of a channel race."""
    return replace(plain(port), at_once=1)


def pages(port: int) -> Dialect:
    """A server of pages over HTTP."""
    return Dialect(port=port, path="/", message="", page="/messages?limit=50")


def python(name: str, title: str, pins: Mapping[str, str], dialect: Callable[[int], Dialect] = plain, *,
           has_redis: bool = False) -> Kind:  # fmt: skip
    """A server in Python: `servers/NAME.py`, which takes its port as argument."""
    return Kind(
        name=name,
        title=title,
        pins=pins,
        install=lambda: from_pypi(name, pins),
        command=lambda program, port: (str(program), str(SERVERS / f"{name}.py"), str(port)),
        dialect=dialect,
        has_redis=has_redis,
    )


def node(name: str, title: str, pins: Mapping[str, str], dialect: Callable[[int], Dialect] = plain, *,
         has_redis: bool = False) -> Kind:  # fmt: skip
    """A server for Node: `servers/NAME.mjs`, copied next to its `node_modules`, where Node resolves modules."""

    def command(folder: Path, port: int) -> Sequence[str]:
        source = SERVERS / f"{name}.mjs"
        copy = folder / source.name
        copy.write_text(source.read_text())
        return ("node", str(copy), str(port))

    return Kind(
        name=name,
        title=title,
        pins=pins,
        install=lambda: from_npm(name, pins),
        command=command,
        dialect=dialect,
        has_redis=has_redis,
    )
