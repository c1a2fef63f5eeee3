"""Deploys and faults under load: deploys lose nothing, and no fault breaks an invariant.

On containers if a container engine is available, else on local processes. `make chaos` injects every fault on
either, `make chaos-long` for an hour.
"""

import os
from collections import Counter

import pytest

from tests.chaos import operations
from tests.chaos.checker import judge
from tests.chaos.crowd import Crowd, Load, crowd
from tests.chaos.encrypted_crowd import EncryptedLoad
from tests.chaos.faults import available
from tests.chaos.run import each_once, run
from tests.chaos.site import Site, restart
from tests.chaos.verdict import ON_TIME_S

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("CHATTERBOX_CHAOS_SEED", "1"))
STRIKES = {"processes": 12, "containers": 4}
"""Containers take longer to start."""
ENCRYPTED = EncryptedLoad(conversations=1, rooms=1)
BACK_S = 5.0
"""A reader that must reconnect is welcomed again within this time (seconds)."""


async def finish(people: Crowd) -> list[operations.AnyOperation]:
    """Let everything become idle and read what is stored; no invariant may be violated."""
    people.heal()
    await people.rest()
    await people.agree()
    await people.read_all()
    verdict = judge(people.operations)
    assert verdict.violations == []
    return people.operations


def times_away(history: list[operations.AnyOperation]) -> list[tuple[float, float]]:
    """For each reconnect of a reader: when it was connected again, and how many seconds it had been offline."""
    reader_of: dict[str, str] = {}
    left_s: dict[str, float] = {}
    returns: list[tuple[float, float]] = []
    for operation in history:
        if isinstance(operation, operations.Opened):
            reader_of[operation.connection] = operation.reader
            if operation.reader in left_s:
                returns.append((operation.at_s, operation.at_s - left_s.pop(operation.reader)))
        elif isinstance(operation, operations.Closed):
            left_s[reader_of[operation.connection]] = operation.at_s
    return returns


def unknown(history: list[operations.AnyOperation]) -> int:
    return sum(isinstance(operation, operations.Unknown) for operation in history)


async def test_restarting_all_gateways_in_turn_loses_no_message_and_no_reader(site: Site) -> None:
    async with crowd(site.url, Load(users=100, connections=500, sends_per_s=200)) as people:
        async with people.talking():
            for gateway in site.gateways:
                await restart(gateway)
        history = await finish(people)
    returns = times_away(history)
    assert len(returns) >= 500
    assert max(seconds for _, seconds in returns) < BACK_S
    each_second = Counter(int(at_s - returns[0][0]) for at_s, _ in returns)
    assert max(each_second.values()) <= len(returns) / 5
    assert unknown(history) == 0


async def test_scaling_gateways_up_and_down_under_load_loses_no_message(site: Site) -> None:
    before = len(site.gateways)
    async with crowd(site.url, Load(users=20, connections=100, sends_per_s=100)) as people:
        async with people.talking():
            await site.scale(before + 1)
            await restart(site.gateways[0])  # its connections can move to the new one
            await site.scale(before - 1)
            await site.scale(before)
        history = await finish(people)
    assert len({operation.server for operation in history if isinstance(operation, operations.Opened)}) == before + 1
    assert max(seconds for _, seconds in times_away(history)) < BACK_S
    assert unknown(history) == 0


async def test_restarting_history_auth_and_redis_under_load_loses_no_message(site: Site) -> None:
    async with crowd(site.url, Load(users=20, connections=100, sends_per_s=100)) as people:
        async with people.talking():
            for part in (site.history, site.auth, site.redis):
                await restart(part)
                await people.recover()
        history = await finish(people)
    assert times_away(history) == []


async def test_no_fault_breaks_an_invariant_beside_an_attacker(site: Site) -> None:
    faults = each_once(available(site), SEED)[: STRIKES[site.kind]]
    load = Load(
        users=10, connections=40, sends_per_s=100, cuts_per_s=1, uploads_per_s=2, encrypted=ENCRYPTED, seed=SEED
    )
    outcome = await run(site, load, faults, attacker=True, erasure=site.kind == "processes")
    assert [attack for attack, times in outcome.attacks.items() if not times] == []
    assert outcome.verdict.violations == []
    late = [struck for struck in outcome.struck if struck.recovered_s is None or struck.recovered_s > ON_TIME_S]
    assert late == []
    assert outcome.verdict.counts.acked > 1000
