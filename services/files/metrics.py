"""Metrics of the files service: uploads, scans, pictures, erasures, and space."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.wire.frames.message import AttachedFile
from services.files.core.clamd_protocol import ScanOutcome
from services.files.pictures.picture_process import Refusal

if TYPE_CHECKING:
    from services.files.upload_limits import UploadLimits


class FilesMetrics:
    """Counters, and gauges computed at scrape time."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`, or without it in a registry that is not served."""
        self.metrics = metrics = metrics or Metrics("files")
        self._uploads = metrics.counter("uploads", "Files completed")
        self._upload_bytes = metrics.counter("upload_bytes", "Bytes of completed files, as stored")
        self.download_bytes = metrics.counter("download_bytes", "Bytes of files and pictures sent")
        self.scans = metrics.counter_by("scans", "Files examined by the scanner", "outcome", ScanOutcome)
        self.pictures_refused = metrics.counter_by("pictures_refused", "Pictures not decoded", "reason", Refusal)
        self.erased = metrics.counter("erased", "Files erased because their message or room was deleted")
        self.unnamed = metrics.counter("unnamed", "Files removed because history does not know them")
        self._at_once = metrics.gauge("uploads_receiving", "Uploads that receive bytes now")
        self._disk_free = metrics.gauge("disk_free_bytes", "Free space on the disk of the files")
        self._disk = metrics.gauge("disk_bytes", "Size of the disk of the files")
        self._reserve = metrics.gauge("disk_reserve_missing_bytes", "Disk reserve released and not yet restored")

    def uploaded(self, file: AttachedFile) -> None:
        """Count a completed file."""
        self._uploads.inc()
        self._upload_bytes.inc(file.size)

    def watch(self, limits: "UploadLimits", reserve: DiskReserve, folder: Path) -> None:
        """Read the gauges from their owners."""
        self._at_once.set_function(lambda: limits.at_once)
        self._reserve.set_function(lambda: reserve.missing_bytes)
        self._disk_free.set_function(lambda: shutil.disk_usage(folder).free)
        self._disk.set_function(lambda: shutil.disk_usage(folder).total)
