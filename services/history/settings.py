"""Settings of the history service."""

from pathlib import Path

from pydantic import Field

from chatterbox.chassis.settings import EncryptionSettings, ServiceUrl


class HistorySettings(EncryptionSettings):
    """History's own settings. The database is the file `history.sqlite` in the data folder."""

    auth_url: ServiceUrl = "http://127.0.0.1:8001"
    """Where the auth service answers, when it is another process."""
    readers: int = Field(2, ge=1, le=16)
    """Connections that read the database at the same time."""

    empty_room_days: float = Field(30, gt=0, le=36_500)
    """How long a public room with messages is kept after its last member left (days); one without
    messages is deleted at once."""

    asleep_days: float = Field(90, gt=0, le=36_500)
    """How long a device may be away before it gets no more keys of encrypted messages until it is back (days)."""

    @property
    def database(self) -> Path:
        return self.data / "history.sqlite"
