"""The writer's queue of jobs: bounded in messages and bytes, taken in groups."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import AnyMessageChange, Append, AppendAnswer, MessageEdit
from services.history.messages.write_transaction import WriteTransaction

Change: TypeAlias = Callable[[WriteTransaction], Awaitable[Any]]
"""A change of rooms or memberships. An exception undoes this change only."""

RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class AppendJob:
    """Messages to store, and changes of messages to make before, in one transaction."""

    messages: Sequence[Append]
    answer: asyncio.Future[AppendAnswer]
    changes: Sequence[AnyMessageChange] = ()
    uses_reserve: ClassVar = False

    @property
    def weight_bytes(self) -> int:
        """An upper bound of the memory that they take: Python uses up to 4 bytes per character."""
        texts = [change.content for change in self.changes if isinstance(change, MessageEdit)] if self.changes else ()
        return (
            sum(4 * len(message.content) + 256 for message in self.messages)
            + sum(4 * len(text) for text in texts)
            + 256 * len(self.changes)
        )


@dataclass(frozen=True, slots=True)
class ChangeJob:
    """A change to make in one transaction."""

    change: Change
    answer: asyncio.Future[Any]
    uses_reserve: bool = True
    """Whether it is committed on a full disk, with what is left of the disk reserve."""


Job: TypeAlias = AppendJob | ChangeJob


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """Limits of the queue and of one transaction. A single job may exceed the latter."""

    waiting_messages: int = 20_000
    waiting_bytes: int = 64 * 1024 * 1024
    group_messages: int = 1000
    group_bytes: int = 4 * 1024 * 1024


class WriteQueue:
    """Jobs in order of arrival. A change of rooms, or of a message, counts as one message."""

    def __init__(self, bounds: QueueBounds) -> None:
        self._bounds = bounds
        self._jobs: deque[tuple[Job, int, int]] = deque()  # bounded: by `put`
        self._messages = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def messages(self) -> int:
        return self._messages

    @property
    def bytes(self) -> int:
        return self._bytes

    def put(self, job: Job) -> None:
        """Add `job`; raises `unavailable` if it would exceed the bounds."""
        messages, weight = _measure(job)
        if (
            self._messages + messages > self._bounds.waiting_messages
            or self._bytes + weight > self._bounds.waiting_bytes
        ):
            raise ChatError(
                Code.UNAVAILABLE, "Too many messages are waiting to be stored; try again.", retry_after_s=RETRY_AFTER_S
            )
        self._jobs.append((job, messages, weight))
        self._messages += messages
        self._bytes += weight

    def take(self) -> list[Job]:
        """Remove and return the oldest jobs: as many as fit into a group, at least one unless the queue is empty."""
        group: list[Job] = []
        messages = weight = 0
        while self._jobs and (not group or self._fits(messages + self._jobs[0][1], weight + self._jobs[0][2])):
            job, job_messages, job_weight = self._jobs.popleft()
            group.append(job)
            messages += job_messages
            weight += job_weight
        self._messages -= messages
        self._bytes -= weight
        return group

    def _fits(self, messages: int, weight_bytes: int) -> bool:
        return messages <= self._bounds.group_messages and weight_bytes <= self._bounds.group_bytes


def _measure(job: Job) -> tuple[int, int]:
    return (len(job.messages) + len(job.changes), job.weight_bytes) if isinstance(job, AppendJob) else (1, 256)
