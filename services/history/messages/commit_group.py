"""The jobs that share one transaction, and how each gets its result."""

import asyncio
from collections.abc import Sequence
from typing import Any

from chatterbox.wire.history_api import AppendAnswer
from services.history.core.append_plan import AppendPlan
from services.history.core.change_plan import ChangeOutcome
from services.history.messages.write_queue import AppendJob, ChangeJob, Job


class CommitGroup:
    """Changes of rooms run before those of messages, and these before messages; each in the order of arrival."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._appends = [job for job in jobs if isinstance(job, AppendJob)]
        self.changes = [job for job in jobs if isinstance(job, ChangeJob)]
        self.messages = [message for job in self._appends for message in job.messages]
        self.message_changes = [change for job in self._appends for change in job.changes]
        self.results: list[object] = []
        """For each change run so far: its return value, or the exception that undid it."""

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def uses_reserve(self) -> bool:
        """Whether all of its jobs are committed on a full disk, with what is left of the disk reserve."""
        return all(job.uses_reserve for job in self._jobs)

    def answer(self, plan: AppendPlan) -> None:
        """Give every job its result; `plan` has the outcomes of `messages` and `message_changes`."""
        for change, result in zip(self.changes, self.results, strict=True):
            _settle(change.answer, result)
        changed: list[ChangeOutcome] = plan.changes.outcomes if plan.changes is not None else []
        start = start_of_changes = 0
        for job in self._appends:
            end, end_of_changes = start + len(job.messages), start_of_changes + len(job.changes)
            outcomes, change_outcomes = plan.outcomes[start:end], changed[start_of_changes:end_of_changes]
            _settle(job.answer, AppendAnswer(outcomes=outcomes, change_outcomes=change_outcomes))
            start, start_of_changes = end, end_of_changes

    def fail(self, problem: Exception) -> None:
        """Give `problem` to every job that has no result yet."""
        for job in self._jobs:
            _settle(job.answer, problem)


def _settle(answer: asyncio.Future[Any], result: object) -> None:
    if answer.done():  # cancelled by the caller, or answered before
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
