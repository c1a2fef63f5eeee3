"""The parts of a running files service that its routes use."""

from collections.abc import Callable
from typing import NamedTuple

from chatterbox.chassis.token_verifier import TokenVerifier
from services.files.file_reads import FileReads
from services.files.storage.files_database import FilesDatabase
from services.files.upload_limits import UploadLimits
from services.files.uploads.upload_service import UploadService


class FilesContext(NamedTuple):
    """Everything that the app's lifespan opens."""

    verifier: TokenVerifier
    uploads: UploadService
    reads: FileReads
    limits: UploadLimits
    file_bytes: int
    database: FilesDatabase
    check_storage: Callable[[], None]
    """Raises `OSError` if the folder of the files can't be used."""
