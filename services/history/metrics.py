"""What an operator may want to know of history: how long a commit takes, what waits for one, how full the disk is."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from chatterbox.chassis.observability.metrics import CALL_S, MESSAGES, Metrics
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.wire.errors import Code
from chatterbox.wire.history_api import AppendRefused

if TYPE_CHECKING:
    from services.history.core.append_plan import AppendPlan
    from services.history.messages.write_queue import WriteQueue


class HistoryMetrics:
    """Counters for history's parts, and gauges that look at them when they are scraped."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`; without, in a registry that nobody sees."""
        self.metrics = metrics = metrics or Metrics("history")
        self.commits = metrics.counter("commits", "Transactions committed")
        self.commits_failed = metrics.counter("commits_failed", "Transactions that could not be committed")
        self.commit_s = metrics.histogram("commit_seconds", "Time of a transaction until it is durable", CALL_S)
        self.commit_messages = metrics.histogram("commit_messages", "Messages in a transaction", MESSAGES)
        self.appended = metrics.counter("messages_appended", "Messages stored")
        self.duplicates = metrics.counter("messages_duplicate", "Messages that were stored already, by their key")
        self.refused = metrics.counter_by("messages_refused", "Messages refused", "code", Code)
        self.news_dropped = metrics.counter("news_dropped", "Messages and changes that no gateway was told of at once")
        self.page_s = metrics.histogram("page_seconds", "Time to read a page of messages", CALL_S)
        self._jobs = metrics.gauge("backlog_jobs", "Batches and changes that wait for a transaction")
        self._messages = metrics.gauge("backlog_messages", "Messages that wait for a transaction")
        self._bytes = metrics.gauge("backlog_bytes", "Memory that they take at most")
        self._disk_free = metrics.gauge("disk_free_bytes", "Space left where the database is")
        self._disk = metrics.gauge("disk_bytes", "Space there is where the database is")

        self._ballast = metrics.gauge("ballast_missing_bytes", "Given up of the space held for changes of rooms")

    def committed(self, plan: "AppendPlan", seconds: float) -> None:
        """Count a transaction that is durable."""
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

    def watch_backlog(self, backlog: "WriteQueue") -> None:
        self._jobs.set_function(lambda: len(backlog))
        self._messages.set_function(lambda: backlog.messages)
        self._bytes.set_function(lambda: backlog.bytes)

    def watch_ballast(self, ballast: DiskReserve) -> None:
        self._ballast.set_function(lambda: ballast.missing_bytes)

    def watch_disk(self, folder: Path) -> None:
        self._disk_free.set_function(lambda: shutil.disk_usage(folder).free)
        self._disk.set_function(lambda: shutil.disk_usage(folder).total)
