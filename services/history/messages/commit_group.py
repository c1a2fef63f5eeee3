"""The jobs that share one transaction, and how each gets its answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.history.core.append_plan import AppendPlan
from services.history.messages.write_queue import AppendJob, ChangeJob, Job


class CommitGroup:
    """All changes come before all messages; the order within each is that in which they came."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._appends = [job for job in jobs if isinstance(job, AppendJob)]
        self.changes = [job for job in jobs if isinstance(job, ChangeJob)]
        self.messages = [message for job in self._appends for message in job.messages]
        self.changed: list[object] = []
        """For each change done so far what it returned, or the exception that undid it."""

    def __len__(self) -> int:
        return len(self._jobs)

    def answer(self, plan: AppendPlan) -> None:
        """Tell everybody what became of what they asked for; `plan` is for `messages`."""
        for change, result in zip(self.changes, self.changed, strict=True):
            _settle(change.answer, result)
        start = 0
        for job in self._appends:
            end = start + len(job.messages)
            _settle(job.answer, plan.outcomes[start:end])
            start = end

    def fail(self, problem: Exception) -> None:
        """Tell everybody who has no answer yet that there was a problem."""
        for job in self._jobs:
            _settle(job.answer, problem)


def _settle(answer: asyncio.Future[Any], result: object) -> None:
    if answer.done():  # whoever asked has gone
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
