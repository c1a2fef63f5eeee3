"""Metrics of history: commit time, queue length, refusals and disk space."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from chatterbox.chassis.observability.metrics import CALL_S, MESSAGES, Metrics
from chatterbox.chassis.sqlite.damage import DamageRecord
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.wire.errors import Code
from chatterbox.wire.history_api import AppendRefused

if TYPE_CHECKING:
    from services.history.core.append_plan import AppendPlan
    from services.history.messages.write_queue import WriteQueue


class HistoryMetrics:
    """Counters, and gauges computed at scrape time."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`, or without it in a registry that is not served."""
        self.metrics = metrics = metrics or Metrics("history")
        self.commits = metrics.counter("commits", "Transactions committed")
        self.commits_failed = metrics.counter("commits_failed", "Transactions that could not be committed")
        self.commit_s = metrics.histogram("commit_seconds", "Time of a transaction until it is durable", CALL_S)
        self.commit_messages = metrics.histogram("commit_messages", "Messages in a transaction", MESSAGES)
        self.appended = metrics.counter("messages_appended", "Messages stored")
        self.duplicates = metrics.counter("messages_duplicate", "Retries of stored messages, recognised by their key")
        self.refused = metrics.counter_by("messages_refused", "Messages refused", "code", Code)
        self.publishes_dropped = metrics.counter(
            "publishes_dropped", "Messages and changes not published, so delivered late"
        )
        self.page_s = metrics.histogram("page_seconds", "Time to read a page of messages", CALL_S)
        self._claims = metrics.counter("keys_claimed", "One-time keys and fallback keys of devices given out")
        self._fallback_claims = metrics.counter("fallback_keys_claimed", "Those of them that were fallback keys")
        self._to_device = metrics.counter("to_device_messages", "To-device messages stored, repeated ones included")
        self._jobs = metrics.gauge("backlog_jobs", "Batches and changes waiting for a transaction")
        self._messages = metrics.gauge("backlog_messages", "Messages waiting for a transaction")
        self._bytes = metrics.gauge("backlog_bytes", "Upper bound of the memory that they use")
        self._disk_free = metrics.gauge("disk_free_bytes", "Free space on the database's disk")
        self._disk = metrics.gauge("disk_bytes", "Size of the database's disk")
        self._reserve = metrics.gauge("disk_reserve_missing_bytes", "Disk reserve released and not yet restored")
        self._damaged = metrics.gauge("database_damaged", "1 after the database was found damaged, otherwise 0")

    def committed(self, plan: "AppendPlan", seconds: float) -> None:
        """Count a committed transaction."""
        self.commits.inc()
        self.commit_s.observe(seconds)
        if plan.outcomes:
            self.commit_messages.observe(len(plan.outcomes))
            self.appended.inc(len(plan.inserts))
        if len(plan.outcomes) > len(plan.inserts):
            self._count_others(plan)

    def _count_others(self, plan: "AppendPlan") -> None:
        refusals = [outcome for outcome in plan.outcomes if isinstance(outcome, AppendRefused)]
        for refusal in refusals:
            self.refused.inc(Code(refusal.code))
        self.duplicates.inc(len(plan.outcomes) - len(plan.inserts) - len(refusals))

    def claimed(self, keys: int, fallback_keys: int) -> None:
        """Count keys of devices that were given out, and how many of them were fallback keys."""
        self._claims.inc(keys)
        self._fallback_claims.inc(fallback_keys)

    def delivered(self, messages: int) -> None:
        """Count to-device messages."""
        self._to_device.inc(messages)

    def watch_queue(self, queue: "WriteQueue") -> None:
        self._jobs.set_function(lambda: len(queue))
        self._messages.set_function(lambda: queue.messages)
        self._bytes.set_function(lambda: queue.bytes)

    def watch_reserve(self, reserve: DiskReserve) -> None:
        self._reserve.set_function(lambda: reserve.missing_bytes)

    def watch_damage(self, damage: DamageRecord) -> None:
        self._damaged.set_function(lambda: damage.why is not None)

    def watch_disk(self, folder: Path) -> None:
        self._disk_free.set_function(lambda: shutil.disk_usage(folder).free)
        self._disk.set_function(lambda: shutil.disk_usage(folder).total)
