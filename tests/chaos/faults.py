"""The faults, as context managers: injected on entry, repaired on exit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random

from tests.chaos.operations import AnyOperation, Restored
from tests.chaos.site import Link, Part, Site, restart


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault gets: the site, its random source, and where to record operations for the checker."""

    site: Site
    chance: Random
    note: Callable[[AnyOperation], None]


Strike = Callable[[Scene], AbstractAsyncContextManager[None]]
MOMENT_S = (0.0, 0.5)
SECONDS_S = (0.2, 3.0)
LONG_S = (1.0, 8.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its shortest and longest duration (seconds)."""

    name: str
    hold_s: tuple[float, float]
    strike: Strike


def available(site: Site) -> list[Fault]:
    """The faults that can be injected on this site."""
    faults = [
        *_of_one("gateway", lambda scene: scene.chance.choice(list(scene.site.gateways))),
        *_of_one("history", lambda scene: scene.site.history),
        *_of_one("auth", lambda scene: scene.site.auth),
        *_of_one("redis", lambda scene: scene.site.redis),
        *_of_several(),
        Fault("a second history on the same data", MOMENT_S, second_history),
        Fault("an old backup restored", MOMENT_S, old_backup),
    ]
    if site.redis_command is not None:
        faults += _of_redis()
    for to in ("redis", "history"):
        if site.links(to, Random(0)):
            faults += _of_links(to)
    if site.wrong_clock is not None:
        faults += _of_clocks()
    if site.isolated is not None:
        faults += _of_the_network()
    if site.full_disk is not None:
        faults.append(Fault("disk full", SECONDS_S, disk_full))
    return faults


def _fault(name: str, hold_s: tuple[float, float]) -> Callable[[Callable[[Scene], AsyncIterator[None]]], Fault]:
    """Turn a generator function, which yields while the fault lasts, into a fault."""
    return lambda strike: Fault(name, hold_s, asynccontextmanager(strike))


def named(name: str, site: Site) -> Fault:
    """The fault of this name; raises `KeyError` if it is not available."""
    return {fault.name: fault for fault in available(site)}[name]


# Parts


@asynccontextmanager
async def killed(*parts: Part) -> AsyncIterator[None]:
    await asyncio.gather(*(part.kill() for part in parts))
    try:
        yield
    finally:
        await asyncio.gather(*(part.start() for part in parts))


@asynccontextmanager
async def frozen(part: Part) -> AsyncIterator[None]:
    await part.freeze()
    try:
        yield
    finally:
        await part.thaw()


@asynccontextmanager
async def restarted(part: Part) -> AsyncIterator[None]:
    await restart(part)
    yield


def _of_one(name: str, choose: Callable[[Scene], Part]) -> list[Fault]:
    return [
        Fault(f"{name} killed", SECONDS_S, lambda scene: killed(choose(scene))),
        Fault(f"{name} frozen", LONG_S, lambda scene: frozen(choose(scene))),
        Fault(f"{name} restarted", MOMENT_S, lambda scene: restarted(choose(scene))),
    ]


def _of_several() -> list[Fault]:
    def everything(scene: Scene) -> list[Part]:
        site = scene.site
        return [site.redis, site.auth, site.history, *site.gateways]

    return [
        Fault("all gateways killed", SECONDS_S, lambda scene: killed(*scene.site.gateways)),
        Fault("history and redis killed", SECONDS_S, lambda scene: killed(scene.site.history, scene.site.redis)),
        Fault("everything killed", MOMENT_S, lambda scene: killed(*everything(scene))),
    ]


@asynccontextmanager
async def second_history(scene: Scene) -> AsyncIterator[None]:
    """It must be refused, and the first must not be affected."""
    said = await scene.site.second_history()
    assert "another" in said, said
    yield


@asynccontextmanager
async def old_backup(scene: Scene) -> AsyncIterator[None]:
    """Messages stored since the backup are lost visibly: every room gets a new epoch."""
    site, copied_s = scene.site, time.monotonic()
    await site.back_up()
    await asyncio.sleep(scene.chance.uniform(0.5, 1.5))  # time for messages that will be lost
    await site.history.stop()
    try:
        await site.put_back()
        scene.note(Restored(at_s=time.monotonic(), copied_s=copied_s))
        yield
    finally:
        await site.history.start()


# Redis, by its own commands


def _of_redis() -> list[Fault]:
    async def redis(scene: Scene, *words: str) -> None:
        assert scene.site.redis_command is not None
        await scene.site.redis_command(*words)

    @_fault("redis flushed", MOMENT_S)
    async def flushed(scene: Scene) -> AsyncIterator[None]:
        await redis(scene, "FLUSHALL")
        yield

    @_fault("subscribers killed", MOMENT_S)
    async def subscribers_killed(scene: Scene) -> AsyncIterator[None]:
        for _ in range(3):
            await redis(scene, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(scene.chance.uniform(0.1, 0.5))
        yield

    @_fault("output buffers shrunk", SECONDS_S)
    async def buffers_shrunk(scene: Scene) -> AsyncIterator[None]:
        """A subscriber that is a few kilobytes behind is disconnected."""
        await redis(scene, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 4kb 2kb 1")
        try:
            yield
        finally:
            await redis(scene, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")

    return [flushed, subscribers_killed, buffers_shrunk]


# Connections between parts


def _of_links(to: str) -> list[Fault]:
    def damaged(damage: Callable[[Link, Random], None]) -> Strike:
        @asynccontextmanager
        async def strike(scene: Scene) -> AsyncIterator[None]:
            links: Sequence[Link] = scene.site.links(to, scene.chance)
            seed = scene.chance.random()
            for link in links:
                damage(link, Random(seed))
            try:
                yield
            finally:
                for link in links:
                    link.mend()

        return strike

    def black_hole(link: Link, chance: Random) -> None:
        link.block(towards_client=chance.random() < 0.5)

    faults = [
        Fault(f"connection to {to} cut", SECONDS_S, damaged(lambda link, _: link.cut())),
        Fault(f"connection to {to} black-holed", LONG_S, damaged(black_hole)),
        Fault(f"connection to {to} slow", SECONDS_S, damaged(lambda link, _: link.slow_down(delay_s=0.3))),
    ]
    if to == "redis":
        faults.append(Fault("subscriptions removed", MOMENT_S, damaged(lambda link, _: link.unsubscribe())))
    return faults


def _of_the_network() -> list[Fault]:
    def isolated(choose: Callable[[Scene], Part]) -> Strike:
        @asynccontextmanager
        async def strike(scene: Scene) -> AsyncIterator[None]:
            assert scene.site.isolated is not None
            async with scene.site.isolated(choose(scene)):
                yield

        return strike

    return [
        Fault("gateway isolated", LONG_S, isolated(lambda scene: scene.chance.choice(list(scene.site.gateways)))),
        Fault("history isolated", LONG_S, isolated(lambda scene: scene.site.history)),
        Fault("redis isolated", LONG_S, isolated(lambda scene: scene.site.redis)),
    ]


# Clocks

BEHIND_S = (-7200, -3600, -90)
AHEAD_S = (90, 3600, 86_400)
"""The last is longer than any token is valid."""
GATEWAY_AHEAD_S = (90, 3600, 36_000)
"""Behind, a gateway refuses all tokens as not issued yet; a day ahead, as expired: correct, but it ends the load."""


def _of_clocks() -> list[Fault]:
    """The clock jumps, stays wrong for a while, and jumps back."""

    def jumping(choose: Callable[[Scene], Part], jumps_s: Sequence[int]) -> Strike:
        @asynccontextmanager
        async def strike(scene: Scene) -> AsyncIterator[None]:
            assert scene.site.wrong_clock is not None
            with scene.site.wrong_clock(choose(scene), scene.chance.choice(jumps_s)):
                yield

        return strike

    def a_gateway(scene: Scene) -> Part:
        return scene.chance.choice(list(scene.site.gateways))

    return [
        Fault("clock of history jumps", LONG_S, jumping(lambda scene: scene.site.history, BEHIND_S + AHEAD_S)),
        Fault("clock of auth jumps", LONG_S, jumping(lambda scene: scene.site.auth, BEHIND_S + AHEAD_S)),
        Fault("clock of a gateway jumps", LONG_S, jumping(a_gateway, GATEWAY_AHEAD_S)),
    ]


# The machine


@asynccontextmanager
async def disk_full(scene: Scene) -> AsyncIterator[None]:
    assert scene.site.full_disk is not None
    async with scene.site.full_disk():
        yield
