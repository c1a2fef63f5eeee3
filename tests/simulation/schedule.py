"""One schedule from its seed to its verdict. The same seed gives the same schedule, wherever and whenever it runs."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from chatterbox.chassis import tasks
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
    """A schedule that is over."""

    seed: int
    conditions: Conditions
    verdict: Verdict
    unrest: list[str]
    """What was not as it should be in the end, and what should never have happened inside."""
    record: list[operations.AnyOperation] = field(repr=False)
    simulated_s: float
    callbacks: int

    @property
    def is_clean(self) -> bool:
        return self.verdict.is_clean and not self.unrest

    @property
    def sentences(self) -> list[str]:
        return [*map(str, self.verdict.violations), *self.unrest]


def simulate(
    seed: int,
    *,
    settings: Mapping[str, Any] = NOTHING,
    sabotage: GatewaySabotage = NO_SABOTAGE,
    history: type[HistoryService] = HistoryService,
    altered: Mapping[str, Any] = NOTHING,
) -> Outcome:
    """Run the schedule of `seed`; `settings` and `sabotage` are those of the gateways, `history` serves them.

    `altered` replaces some of the seed's `Conditions`.
    """
    conditions = replace(Conditions.of(seed, tuple(FAULTS)), **altered)
    loop = SimulatedLoop()
    with _constants(conditions), _alarms(loop) as alarms:
        world = World(seed, conditions, loop, settings, sabotage, history)
        try:
            unrest = _run(world)
        except BaseException as problem:
            problem.add_note(f"in the schedule of seed {seed}")
            raise
        finally:
            _close(loop)
    record = world.dissolve()
    return Outcome(seed, conditions, judge(record), [*unrest, *alarms], record, loop.time(), loop.callbacks)


def _run(world: World) -> list[str]:
    try:
        return world.loop.run_until_complete(world.run())
    except EndlessError as problem:
        return [f"It does not end: {problem}."]


def _close(loop: SimulatedLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(EndlessError):
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


@contextlib.contextmanager
def _constants(conditions: Conditions) -> Iterator[None]:
    """So little is said in a schedule that pages and pieces must be smaller for there to be several."""
    with (
        patch.object(room_feed, "PAGE_MESSAGES", conditions.page_messages),
        patch.object(catch_up, "PAGE_MESSAGES", conditions.page_messages),
        patch.object(catch_up, "CHUNK_BYTES", conditions.piece_bytes),
        patch.object(catch_up, "MAX_UNSENT_BYTES", conditions.unsent_bytes),
    ):
        yield


class _Alarms(logging.Handler):
    """What is logged as an error should never happen, whatever befalls a gateway."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        problem = record.exc_info[1] if record.exc_info else None
        self.sentences.append(f"{record.name} says {record.getMessage()}: {problem!r}.")


@contextlib.contextmanager
def _alarms(loop: SimulatedLoop) -> Iterator[list[str]]:
    """Hear of errors inside; a long-lived task that dies would take the process down, and here the schedule."""
    alarms = _Alarms()
    log = logging.getLogger("chatterbox")
    level, propagates = log.level, log.propagate
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(alarms)

    def died(task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            alarms.sentences.append(f"{task.get_name()} died: {task.exception()!r}.")

    loop.set_exception_handler(lambda _, context: alarms.sentences.append(f"Nobody took care of {context}."))
    try:
        with patch.object(tasks, "_stop_process", died):
            yield alarms.sentences
    finally:
        log.removeHandler(alarms)
        log.setLevel(level)
        log.propagate = propagates
