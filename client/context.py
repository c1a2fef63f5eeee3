"""The context of a command: one server, this user's files for it, and the effective configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from client.config.config_parser import CliOverrides
from client.config.config_schema import Config
from client.config.profile_choice import choose_profile
from client.core import direct_rooms
from client.net.token_source import TokenSource
from client.store.encrypted_directs import EncryptedDirectsFile, encrypted_directs_path
from client.store.name_cache import name_cache_path
from client.store.outbox import Outbox, outbox_path
from client.store.session_file import SavedSession, SessionFile
from client.store.tail_cursors import cursor_path
from client.store.text_cipher import TextCipher
from client.store.unfinished_uploads import unfinished_uploads_path
from client.text.server_url import server_address


@dataclass(frozen=True, slots=True)
class ClientContext:
    """The selected server, the folder of the client's files, and the effective configuration."""

    server: str
    home: Path
    config: Config = field(default_factory=Config)
    overrides: CliOverrides = field(default_factory=CliOverrides)
    """Options of the command line, which apply again when the configuration is reloaded."""

    @classmethod
    def find(cls, overrides: CliOverrides, environ: Mapping[str, str]) -> Self:
        """The selected context; raises `UsageError` for an invalid server address or configuration."""
        choice = choose_profile(overrides, environ)
        return cls(server_address(choice.server), choice.folder, choice.config, overrides)

    @property
    def session_file(self) -> SessionFile:
        return SessionFile(self.home, self.server, self.config.profile)

    @property
    def tokens(self) -> TokenSource:
        return TokenSource(self.session_file)

    def login_hint(self) -> str:
        """The commands that log in, to append to a sentence that says the user is logged out."""
        file = self.session_file
        register = "" if file.load() else f" (no account yet: {file.command('register')})"
        return f"Log in: {file.command('login')}{register}"

    def outbox_path(self, session: SavedSession) -> Path:
        return outbox_path(self.home, self.server, session.username)

    def outbox(self, session: SavedSession) -> Outbox:
        return Outbox(self.outbox_path(session), self.text_cipher(session))

    def text_cipher(self, session: SavedSession) -> TextCipher:
        """Encrypts the user's text for encrypted rooms, with the key of the key store; that is opened when needed."""

        def key() -> bytes:
            from client.encryption.store.store_key import store_key  # late: it imports cryptography

            return store_key(self.home, self.server, session.username)

        return TextCipher(key)

    def encrypted_directs_file(self, session: SavedSession) -> EncryptedDirectsFile:
        return EncryptedDirectsFile(encrypted_directs_path(self.home, self.server, session.username))

    def wire_name(self, room: str) -> str:
        """The server's name of a room; raises `Failure`."""
        session = self.tokens.session()
        return direct_rooms.wire_name(room, session.username, self.encrypted_directs_file(session).load())

    def local_name(self, room: str) -> str:
        """The client's name of a room that the server names; raises `Failure`."""
        session = self.tokens.session()
        return direct_rooms.local_name(room, session.username, self.encrypted_directs_file(session).load())

    def uploads_path(self, session: SavedSession) -> Path:
        """The folder of the user's unfinished uploads."""
        return unfinished_uploads_path(self.home, self.server, session.username)

    def name_cache_path(self, session: SavedSession) -> Path:
        return name_cache_path(self.home, self.server, session.username)

    def cursor_path(self, session: SavedSession, name: str) -> Path:
        """The file of `tail --resume NAME`; raises `UsageError` for an invalid name."""
        return cursor_path(self.home, self.server, session.username, name)
