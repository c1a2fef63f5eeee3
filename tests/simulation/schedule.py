"""Runs one schedule from its seed and judges it. The same seed gives the same schedule in any process."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from chatterbox.chassis import tasks
from services.gateway.core import room_changes
from services.gateway.rooms import catch_up, room_feed
from tests.chaos import operations
from tests.chaos.checker import judge
from tests.chaos.verdict import Verdict
from tests.simulation.conditions import Conditions
from tests.simulation.faults import FAULTS
from tests.simulation.loop import EndlessError, SimulatedLoop
from tests.simulation.service import HistoryService
from tests.simulation.world import World
from tests.support.sabotage.gateway import NO_SABOTAGE, GatewaySabotage

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a schedule."""

    seed: int
    conditions: Conditions
    verdict: Verdict
    end_problems: list[str]
    """Problems in the end state, and errors that must never occur."""
    record: list[operations.AnyOperation] = field(repr=False)
    simulated_s: float
    callbacks: int

    @property
    def is_clean(self) -> bool:
        return self.verdict.is_clean and not self.end_problems

    @property
    def sentences(self) -> list[str]:
        return [*map(str, self.verdict.violations), *self.end_problems]


def simulate(
    seed: int,
    *,
    settings: Mapping[str, Any] = NOTHING,
    sabotage: GatewaySabotage = NO_SABOTAGE,
    history: type[HistoryService] = HistoryService,
    altered: Mapping[str, Any] = NOTHING,
) -> Outcome:
    """Run the schedule of `seed`; `settings` and `sabotage` apply to the gateways, `history` is the service class.

    `altered` replaces some of the seed's `Conditions`.
    """
    conditions = replace(Conditions.of(seed, tuple(FAULTS)), **altered)
    loop = SimulatedLoop()
    with _constants(conditions), _logged_errors(loop) as errors:
        world = World(seed, conditions, loop, settings, sabotage, history)
        try:
            problems = _run(world)
        except BaseException as problem:
            problem.add_note(f"in the schedule of seed {seed}")
            raise
        finally:
            _close(loop)
    record = world.dissolve()
    return Outcome(seed, conditions, judge(record), [*problems, *errors], record, loop.time(), loop.callbacks)


def _run(world: World) -> list[str]:
    try:
        return world.loop.run_until_complete(world.run())
    except EndlessError as problem:
        return [f"The schedule does not end: {problem}."]


def _close(loop: SimulatedLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(EndlessError):
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


@contextlib.contextmanager
def _constants(conditions: Conditions) -> Iterator[None]:
    """Shrink pages and chunks: a schedule has so few messages that otherwise one would hold them all."""
    with (
        patch.object(room_feed, "PAGE_MESSAGES", conditions.page_messages),
        patch.object(catch_up, "PAGE_MESSAGES", conditions.page_messages),
        patch.object(room_changes, "KEPT_CHANGES", conditions.recent_changes),
        patch.object(catch_up, "CHUNK_BYTES", conditions.chunk_bytes),
        patch.object(catch_up, "MAX_UNSENT_BYTES", conditions.unsent_bytes),
    ):
        yield


class _ErrorHandler(logging.Handler):
    """Collects logged errors: none may occur, whatever fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        problem = record.exc_info[1] if record.exc_info else None
        self.sentences.append(f"{record.name} logged {record.getMessage()}: {problem!r}.")


@contextlib.contextmanager
def _logged_errors(loop: SimulatedLoop) -> Iterator[list[str]]:
    """Collect errors, including long-lived tasks that die, which would stop a real process."""
    handler = _ErrorHandler()
    log = logging.getLogger("chatterbox")
    level, propagates = log.level, log.propagate
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(handler)

    def died(task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            handler.sentences.append(f"{task.get_name()} died: {task.exception()!r}.")

    loop.set_exception_handler(lambda _, context: handler.sentences.append(f"Unhandled: {context}."))
    try:
        with patch.object(tasks, "_stop_process", died):
            yield handler.sentences
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates
