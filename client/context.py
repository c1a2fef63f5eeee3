"""Where a command acts: one server, and this user's files for it."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

from client.config.config_parser import CliOverrides
from client.config.config_schema import Config
from client.config.profile_choice import choose_profile
from client.failures import ExitCode
from client.net.token_source import TokenSource
from client.store.name_cache import known_path
from client.store.outbox import Outbox, outbox_path
from client.store.session_file import SavedSession, SessionFile
from client.store.tail_cursors import cursor_path
from client.text.line_wrap import NOTICE, hung
from client.text.note_text import messages
from client.text.server_url import server_address


@dataclass(frozen=True, slots=True)
class ClientContext:
    """The server that is meant, the folder of what is remembered about it, and the configuration in effect."""

    server: str
    home: Path
    config: Config = field(default_factory=Config)
    named: CliOverrides = field(default_factory=CliOverrides)
    """What the command line said, without which the configuration could not be read anew."""

    @classmethod
    def find(cls, named: CliOverrides, environ: Mapping[str, str]) -> Self:
        """The place that is meant; raises `Usage` if its server is none, or the configuration is wrong."""
        meant = choose_profile(named, environ)
        return cls(server_address(meant.server), meant.folder, meant.config, named)

    @property
    def file(self) -> SessionFile:
        return SessionFile(self.home, self.server, self.config.profile)

    @property
    def tokens(self) -> TokenSource:
        return TokenSource(self.file)

    def way_in(self) -> str:
        """What to type to be logged in, after a sentence that says that one is not."""
        new = "" if self.file.load() else f"; new here: {self.file.command('register')}"
        return f"Log in: {self.file.command('login')}{new}"

    def outbox_path(self, session: SavedSession) -> Path:
        return outbox_path(self.home, self.server, session.username)

    def outbox(self, session: SavedSession) -> Outbox:
        return Outbox(self.outbox_path(session))

    def known_path(self, session: SavedSession) -> Path:
        return known_path(self.home, self.server, session.username)

    def cursor_path(self, session: SavedSession, name: str) -> Path:
        """Where `tail --resume NAME` keeps its place; raises `Usage` for what is no name."""
        return cursor_path(self.home, self.server, session.username, name)


def out(line: str) -> None:
    """Print what was asked for."""
    print(line, flush=True)


def tell(line: str) -> None:
    """Print a word about how it goes, beside the output."""
    for part in hung(line, columns_of(sys.stderr)):
        print(part, file=sys.stderr, flush=True)


def remark(line: str) -> None:
    """Tell it as a word of ours: what a server says in it can't be taken for somebody's message."""
    tell(f"{NOTICE}{line}")


def tell_unsent(count: int) -> ExitCode:
    """Say how many messages a chat leaves in the outbox at its end; what it exits with therefore."""
    if not count:
        return ExitCode.OK
    tell(f"{messages(count)} not sent yet: kept in the outbox, and sent with the next chat or send.")
    return ExitCode.UNREACHABLE


def columns_of(stream: TextIO) -> int | None:
    """The width of the terminal that `stream` writes to; None if it does not."""
    return shutil.get_terminal_size().columns if stream.isatty() else None
