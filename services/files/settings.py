"""Settings of the files service."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from chatterbox.chassis.settings import ServiceUrl, Settings
from chatterbox.wire import rate_limits


class FilesSettings(Settings):
    """Settings of the files service alone. In the data folder it has the database `files.sqlite` and the folder
    `files`.
    """

    files: Literal["on", "off"] = "on"
    """Whether the all-in-one process has the files service; `off`: it takes and serves no files and pictures."""
    auth_url: ServiceUrl = "http://127.0.0.1:8001"
    """Where the auth service answers, when it is another process."""
    history_url: ServiceUrl = "http://127.0.0.1:8002"
    """Where the history service answers, when it is another process."""
    quota_bytes: int = Field(2 * 2**30, ge=1)
    """Space that the files of one user may take (bytes; default 2 GiB)."""
    disk_percent: float = Field(85, gt=0, le=100)
    """Uploads are refused when the disk would be fuller than this (percent)."""
    scan: str = Field("", pattern=r"^(/.+|[^/\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})?$")
    """A clamd that sees every file before it can be read: the path of its Unix socket, or `host:port`. Empty: files are
    not scanned. While it does not answer, uploads are refused."""
    uploads_burst: int = Field(rate_limits.UPLOADS.bound.burst, ge=1)
    """Uploads that one user may begin at once."""
    uploads_per_hour: float = Field(rate_limits.UPLOADS.bound.amount, gt=0)
    """Uploads per hour that one user may begin in the long run."""
    file_reads_burst: int = Field(rate_limits.FILE_READS.bound.burst, ge=1)
    """Reads of files and pictures at once by one user."""
    file_reads_per_s: float = Field(rate_limits.FILE_READS.bound.amount, gt=0)
    """Reads of files and pictures per second by one user in the long run."""

    @property
    def database(self) -> Path:
        return self.data / "files.sqlite"

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.data / "files"
