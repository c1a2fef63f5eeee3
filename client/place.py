"""Where a command acts: one server, and this user's files for it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from client.home.config import Config
from client.home.files import config_or_failure
from client.home.folders import state_folder
from client.home.reading import Named
from client.outbox import Outbox, outbox_path
from client.session import DEFAULT_SERVER, Session, SessionFile, saved_server, server_address
from client.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Place:
    """The server that is meant, the folder of what is remembered about it, and the configuration in effect."""

    server: str
    home: Path
    config: Config = field(default_factory=Config)

    @classmethod
    def find(cls, named: Named, environ: Mapping[str, str]) -> Self:
        """The server that the configuration or the command line names, else that of the last login."""
        config, folder = config_or_failure(environ, named), state_folder(environ)
        server = config.server or saved_server(folder) or DEFAULT_SERVER
        return cls(server_address(server), folder, config)

    @property
    def file(self) -> SessionFile:
        return SessionFile(self.home, self.server, self.config.profile)

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.file)

    def outbox_path(self, session: Session) -> Path:
        return outbox_path(self.home, self.server, session.username)

    def outbox(self, session: Session) -> Outbox:
        return Outbox(self.outbox_path(session))


def out(line: str) -> None:
    """Print what was asked for."""
    print(line, flush=True)


def tell(line: str) -> None:
    """Print a word about how it goes, beside the output."""
    print(line, file=sys.stderr, flush=True)
