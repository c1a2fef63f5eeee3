"""The login session on disk: one file for each server and profile."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import Failure
from client.store.file_names import named
from client.store.private_files import on_disk, private_folder, replace_file
from client.text.server_url import DEFAULT_SERVER

OTHERS = "others"
"""Typed instead of a session id: all sessions but this one."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A login session. Times are in seconds since 1970; the token is not in the repr."""

    server: str
    username: str
    token: str = field(repr=False)
    session: str
    expires_at: float
    lifetime_s: float

    def is_due(self, now_s: float) -> bool:
        """Whether less than half of the token's lifetime is left, so that it should be renewed."""
        return now_s > self.renew_at

    @property
    def renew_at(self) -> float:
        return self.expires_at - self.lifetime_s / 2


class SessionFile:
    """The session file of one server and profile. Profiles have separate sessions: they may be of different users."""

    def __init__(self, home: Path, server: str, profile: str = "") -> None:
        self._home = home
        self.profile = profile
        self.server = server
        suffix = f"@{quote(profile, safe='')}" if profile else ""
        self.path = named(home / "sessions", f"{quote(server, safe='')}{suffix}", ".json")

    def load(self) -> SavedSession | None:
        """Read the session; None if it is missing or can't be parsed. Raises `Failure` on a disk error."""
        try:
            return decode_json(self.path.read_bytes(), SavedSession)
        except (FileNotFoundError, NotADirectoryError, UnreadableError):
            return None
        except OSError as problem:
            raise Failure(f"Can't read {self.path} ({problem.strerror}).") from problem

    def prepare(self) -> None:
        """Create the folder before asking for a password that could not be used; raises `Failure`."""
        with on_disk(self.path.parent):
            private_folder(self.path.parent)

    def save(self, session: SavedSession) -> None:
        """Write `session`; without a profile, also make its server the default. Raises `Failure`."""
        with on_disk(self.path):
            replace_file(self.path, msgspec.json.encode(asdict(session)))
            if not self.profile:
                replace_file(self._home / "server", session.server.encode())

    def delete(self) -> None:
        with on_disk(self.path):
            self.path.unlink(missing_ok=True)

    def command(self, name: str) -> str:
        """The shell command `name`, with the options that select this server and profile.

        >>> SessionFile(Path("/nowhere"), "https://chat.example.org").command("login")
        'chatterbox login --server https://chat.example.org'
        """
        if self.profile:
            return f"chatterbox {name} --profile {self.profile}"
        is_default = self.server == (saved_server(self._home) or DEFAULT_SERVER)
        return f"chatterbox {name}" if is_default else f"chatterbox {name} --server {self.server}"


def saved_server(home: Path) -> str | None:
    """The server of the last login without a profile; None if there is none."""
    try:
        return (home / "server").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
