"""The login session on disk: one file for each server and profile."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import Failure
from client.store.private_files import on_disk, private_folder, replace_file
from client.text.server_url import DEFAULT_SERVER

OTHERS = "others"
"""Said in the place of a session's id: all but this one."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """Who is logged in where. Times are in seconds since 1970; the token stays out of any repr."""

    server: str
    username: str
    token: str = field(repr=False)
    session: str
    expires_at: float
    lifetime_s: float

    def is_due(self, now_s: float) -> bool:
        """Whether less than half of the token's lifetime is left: the time to renew it."""
        return now_s > self.renew_at

    @property
    def renew_at(self) -> float:
        return self.expires_at - self.lifetime_s / 2


class SessionFile:
    """Where the session of one server is kept. Each profile has its own: it may be of another user."""

    def __init__(self, home: Path, server: str, profile: str = "") -> None:
        self._home = home
        self.profile = profile
        self.server = server
        of_profile = f"@{quote(profile, safe='')}" if profile else ""
        self.path = home / "sessions" / f"{quote(server, safe='')}{of_profile}.json"

    def load(self) -> SavedSession | None:
        """Read the session; None if there is none, or none that can be parsed. Raises `Failure` if the disk refuses."""
        try:
            return decode_json(self.path.read_bytes(), SavedSession)
        except (FileNotFoundError, NotADirectoryError, UnreadableError):
            return None
        except OSError as problem:
            raise Failure(f"{self.path} can't be read ({problem.strerror}).") from problem

    def prepare(self) -> None:
        """Make the folder, so that nobody is asked for a password that leads nowhere; raises `Failure`."""
        with on_disk(self.path.parent):
            private_folder(self.path.parent)

    def save(self, session: SavedSession) -> None:
        """Keep `session`; without a profile, also its server as the one meant where none is named. Raises `Failure`."""
        with on_disk(self.path):
            replace_file(self.path, msgspec.json.encode(asdict(session)))
            if not self.profile:
                replace_file(self._home / "server", session.server.encode())

    def delete(self) -> None:
        with on_disk(self.path):
            self.path.unlink(missing_ok=True)

    def command(self, name: str) -> str:
        """How a command about this server is typed, here and now.

        >>> SessionFile(Path("/nowhere"), "https://chat.example.org").command("login")
        'chatterbox login --server https://chat.example.org'
        """
        if self.profile:
            return f"chatterbox {name} --profile {self.profile}"
        is_meant_anyway = self.server == (saved_server(self._home) or DEFAULT_SERVER)
        return f"chatterbox {name}" if is_meant_anyway else f"chatterbox {name} --server {self.server}"


def saved_server(home: Path) -> str | None:
    """The server of the last login."""
    try:
        return (home / "server").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
