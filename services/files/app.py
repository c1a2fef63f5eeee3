"""Composition root of the files service: `create_app` builds it from its settings and ports."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import httpx
from starlette.requests import Request
from starlette.responses import Response

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.http_app import ServiceApp
from chatterbox.chassis.http.http_errors import answer
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.files.file_cleanup import FileCleanup
from services.files.file_reads import FileReads
from services.files.files_context import FilesContext
from services.files.history_files import HistoryFiles
from services.files.http import file_routes, files_health, tus_routes, upload_routes
from services.files.metrics import FilesMetrics
from services.files.pictures.picture_process import PictureDecoder
from services.files.settings import FilesSettings
from services.files.storage.disk_storage import DiskStorage
from services.files.storage.file_table import FileTable
from services.files.storage.files_database import open_database
from services.files.storage.staged_files import StagedFiles
from services.files.upload_limits import DiskUsage, UploadLimits
from services.files.uploads.upload_completion import UploadCompletion
from services.files.uploads.upload_service import UploadService
from services.files.uploads.virus_scanner import VirusScanner

log = logging.getLogger("chatterbox.files")

FilesApp: TypeAlias = ServiceApp[FilesContext]

RELOAD_REVOCATIONS_S = 5.0
"""Time between requests for new revocations (seconds): a lost event takes effect at most this much later."""
PUBLIC_ROUTERS = (tus_routes.router, upload_routes.router, file_routes.router)
"""In this order: an id could be named as `uploads` is."""
STREAMED_PATHS = ("/files", "/me/avatar")
"""Paths, and all below them, whose bodies may take long: the service itself limits their time and size."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    settings: FilesSettings,
    *,
    broker: Broker,
    auth: httpx.AsyncClient,
    history: httpx.AsyncClient,
    limits: Limits,
    now_ms: Callable[[], int] = _now_ms,
    disk_usage: DiskUsage = shutil.disk_usage,
) -> FilesApp:
    """Create the app; its lifespan opens and closes the database. `auth` and `history` call those services.

    Starting raises `DatabaseInUseError` or `DatabaseDamagedError` if the database can't be served.
    """
    auth_client = AuthClient(auth)
    verifier = TokenVerifier(auth_client.jwks, lambda: now_ms() / 1000)
    metrics = FilesMetrics(Metrics("files"))

    async def open_context(stack: AsyncExitStack) -> FilesContext:
        """The stack closes in reverse order, so that everything is closed before what it uses."""
        database = await stack.enter_async_context(open_database(settings.database))
        upload_limits = UploadLimits(settings, disk_usage=disk_usage)
        metrics.watch(upload_limits, database.reserve, settings.data)
        staged = StagedFiles(settings.folder / "staged")
        storage = DiskStorage(settings.folder)
        table = FileTable(database, settings.quota_bytes)
        of_history = HistoryFiles(history)
        scanner = VirusScanner(settings.scan, metrics.scans.inc)
        decoder = PictureDecoder(metrics.pictures_refused.inc)
        completion = UploadCompletion(staged, storage, table, of_history, scanner, decoder, now_ms)
        uploads = UploadService(limits, upload_limits, staged, storage, table, of_history, completion, metrics, now_ms)
        await uploads.clean_up()
        revoked = RevokedSessions(verifier, auth_client, broker, reload_s=RELOAD_REVOCATIONS_S)
        await stack.enter_async_context(revoked.following())
        cleanup = FileCleanup(storage, table, of_history, uploads, metrics, now_ms)
        for work in (cleanup.run_erasures, cleanup.run_comparisons, cleanup.run_expiry):
            await stack.enter_async_context(background(work(), f"files.{work.__name__}"))
        reads = FileReads(storage, table, of_history, upload_limits, metrics)
        return FilesContext(
            verifier, uploads, reads, upload_limits, limits.file_bytes, database, lambda: _check(staged)
        )

    app = FilesApp("Chatterbox files", metrics.metrics, open_context)
    for router in (*PUBLIC_ROUTERS, files_health.router):
        app.include_router(router)
    app.add_exception_handler(tus_routes.TusRefusalError, tus_routes.on_tus_refusal)
    app.add_exception_handler(OSError, _DiskErrors())
    return app


class _DiskErrors:
    """Answers requests that the disk fails with `unavailable`, and logs the first and each new cause."""

    def __init__(self) -> None:
        self._incident = Incident(log, down="storage.failed", up="storage.recovered", down_level=logging.ERROR)

    async def __call__(self, _: Request, problem: Exception) -> Response:
        self._incident.fail(getattr(problem, "strerror", None) or str(problem))
        return answer(ChatError(Code.UNAVAILABLE, retry_after_s=5.0))


def _check(staged: StagedFiles) -> None:
    os.stat(staged.folder)  # noqa: PTH116 - for its error
