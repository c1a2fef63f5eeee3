"""A part is away when it has not answered for a while; one answer brings it back."""

import asyncio
from collections.abc import Awaitable, Callable

from chatterbox.wire.errors import ChatError, Code
from services.gateway.metrics import DependencyName
from services.gateway.upstream.dependencies import CHECK_AUTH_S, CHECK_S, GRACE_S, Dependency


class Clock:
    """Turned by hand (seconds)."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def _asked_once(part: Dependency) -> None:
    watching = asyncio.create_task(part.watch())
    await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def _answering(answers: list[bool]) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        if not answers[0]:
            raise ChatError(Code.UNAVAILABLE)

    return ask


async def test_a_part_is_down_until_it_has_answered_once() -> None:
    part = Dependency(DependencyName.HISTORY, _answering([True]), Clock())
    assert part.is_down
    await _asked_once(part)
    assert not part.is_down


async def test_a_short_silence_is_forgiven_and_a_long_one_is_not() -> None:
    answers, clock = [True], Clock()
    part = Dependency(DependencyName.HISTORY, _answering(answers), clock)
    await _asked_once(part)
    answers[0] = False
    clock.now += 1.5 * CHECK_S + GRACE_S
    await _asked_once(part)
    assert not part.is_down
    clock.now += 0.1
    assert part.is_down
    answers[0] = True
    await _asked_once(part)
    assert not part.is_down


async def test_one_that_is_known_to_be_away_is_so_at_once_whatever_it_answered() -> None:
    known: list[str] = []
    part = Dependency(DependencyName.BROKER, _answering([True]), Clock(), is_known_down=lambda: bool(known))
    await _asked_once(part)
    assert not part.is_down
    known.append("deaf")
    assert part.is_down


async def test_one_that_is_seen_to_answer_is_not_asked() -> None:
    asked: list[str] = []
    clock = Clock()

    async def ask() -> None:
        asked.append("asked")

    part = Dependency(DependencyName.HISTORY, ask, clock, last_success_s=lambda: clock.now - CHECK_S / 3)
    await _asked_once(part)
    assert not asked
    assert not part.is_down


async def test_one_that_was_seen_to_answer_long_ago_is_asked() -> None:
    clock = Clock()
    part = Dependency(DependencyName.HISTORY, _answering([False]), clock, last_success_s=lambda: 100.0)
    clock.now += 1.5 * CHECK_S + GRACE_S + 0.1
    await _asked_once(part)
    assert part.is_down


async def test_one_that_is_asked_seldom_may_be_silent_for_longer() -> None:
    clock = Clock()
    part = Dependency(DependencyName.AUTH, _answering([True]), clock, check_s=CHECK_AUTH_S)
    await _asked_once(part)
    clock.now += 1.5 * CHECK_AUTH_S + GRACE_S
    assert not part.is_down
    clock.now += 0.1
    assert part.is_down


def test_it_is_asked_often_enough_to_be_forgiven_one_failure() -> None:
    assert CHECK_S < GRACE_S
