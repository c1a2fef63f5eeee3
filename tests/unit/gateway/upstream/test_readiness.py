"""A dependency is down when it has not answered for a while; one answer brings it back."""

import asyncio
from collections.abc import Awaitable, Callable

from chatterbox.wire.errors import ChatError, Code
from services.gateway.metrics import DependencyName
from services.gateway.upstream.readiness import CHECK_AUTH_S, CHECK_S, GRACE_S, Dependency


class Clock:
    """Set by the test (seconds)."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def _check_once(dependency: Dependency) -> None:
    watching = asyncio.create_task(dependency.watch())
    await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def _answering(answers: list[bool]) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        if not answers[0]:
            raise ChatError(Code.UNAVAILABLE)

    return ask


async def test_dependency_is_down_until_its_first_success() -> None:
    dependency = Dependency(DependencyName.HISTORY, _answering([True]), Clock())
    assert dependency.is_down
    await _check_once(dependency)
    assert not dependency.is_down


async def test_dependency_is_down_only_after_the_grace_period() -> None:
    answers, clock = [True], Clock()
    dependency = Dependency(DependencyName.HISTORY, _answering(answers), clock)
    await _check_once(dependency)
    answers[0] = False
    clock.now += 1.5 * CHECK_S + GRACE_S
    await _check_once(dependency)
    assert not dependency.is_down
    clock.now += 0.1
    assert dependency.is_down
    answers[0] = True
    await _check_once(dependency)
    assert not dependency.is_down


async def test_dependency_known_to_be_down_is_down_despite_its_answers() -> None:
    known: list[str] = []
    dependency = Dependency(DependencyName.BROKER, _answering([True]), Clock(), is_known_down=lambda: bool(known))
    await _check_once(dependency)
    assert not dependency.is_down
    known.append("deaf")
    assert dependency.is_down


async def test_dependency_with_recent_traffic_is_not_checked() -> None:
    checks: list[str] = []
    clock = Clock()

    async def ask() -> None:
        checks.append("checks")

    dependency = Dependency(DependencyName.HISTORY, ask, clock, last_success_s=lambda: clock.now - CHECK_S / 3)
    await _check_once(dependency)
    assert not checks
    assert not dependency.is_down


async def test_dependency_without_recent_traffic_is_checked() -> None:
    clock = Clock()
    dependency = Dependency(DependencyName.HISTORY, _answering([False]), clock, last_success_s=lambda: 100.0)
    clock.now += 1.5 * CHECK_S + GRACE_S + 0.1
    await _check_once(dependency)
    assert dependency.is_down


async def test_dependency_checked_rarely_has_a_longer_grace_period() -> None:
    clock = Clock()
    dependency = Dependency(DependencyName.AUTH, _answering([True]), clock, check_s=CHECK_AUTH_S)
    await _check_once(dependency)
    clock.now += 1.5 * CHECK_AUTH_S + GRACE_S
    assert not dependency.is_down
    clock.now += 0.1
    assert dependency.is_down


def test_one_failed_check_is_within_the_grace_period() -> None:
    assert CHECK_S < GRACE_S
