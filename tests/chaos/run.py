"""One run: load starts, faults are injected one after another, everything recovers, the checker judges."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from tests.chaos import operations
from tests.chaos.attacker import attacked
from tests.chaos.broker_tap import BrokerTap
from tests.chaos.checker import judge
from tests.chaos.crowd import Crowd, Load, crowd
from tests.chaos.encrypted_crowd import encrypted_words
from tests.chaos.faults import Fault, Scene
from tests.chaos.report import Struck
from tests.chaos.site import Part, Site, Use, restart
from tests.chaos.verdict import Limits, Verdict
from tests.support.waiting import until

CALM_S = 3.0
A_DAY_S = 25 * 3600
"""More than the time after which files that no message has are removed (seconds)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    struck: list[Struck]
    verdict: Verdict
    history: list[operations.AnyOperation]
    attacks: Mapping[str, int]
    """How often each attack got through to the server; empty without an attacker."""


async def run(
    site: Site,
    load: Load,
    faults: Iterable[Fault],
    *,
    attacker: bool = False,
    attack_options: Sequence[str] = (),
    erasure: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    calm_s: float = CALM_S,
    tell: Callable[[Struck], None] = lambda _: None,
) -> Outcome:
    """Inject `faults` one after another, and check the history by `limits`.

    There are `calm_s` seconds of load before the first fault, and as long without load at the end; the resources of the
    processes are compared between the two. An `attacker` attacks, by these options of its command line, from the first
    fault until every reader has everything, or the time for that is up.
    """
    chance = Random(load.seed)
    struck: list[Struck] = []
    async with crowd(site.url, load) as people, _tapped(site, people) as tap:
        async with AsyncExitStack() as attack:
            async with people.talking():
                await asyncio.sleep(calm_s)
                began = _look(site, people, after=False)
                if erasure:
                    texts = people.last_texts()
                    await site.back_up()
                    await people.erase(texts)
                attacks = await attack.enter_async_context(_attacker(people, attack_options, present=attacker))
                for fault in faults:
                    struck.append(await _strike(fault, Scene(site, chance, people.note), people, limits))
                    tell(struck[-1])
            people.heal()
            await people.rest(2 * limits.on_time_s)
        await people.agree(2 * limits.on_time_s)
        await people.come_to_rest(2 * limits.on_time_s)
        if erasure:
            await people.erase(people.last_texts())
            await people.rest(2 * limits.on_time_s)
            await asyncio.sleep(limits.erased_frames_s)
            await people.come_late()
        await people.read_all()
        if load.uploads_per_s:
            await people.read_files()
        await asyncio.sleep(calm_s)
        missing = began - _look(site, people, after=True)
        assert not missing, f"ended unexpectedly: {missing}"
        if site.files is not None and load.uploads_per_s:
            await _a_day_later(site, site.files, people, limits.files_s)
            if erasure:
                for part in (site.history, site.files):
                    await restart(part)
        history = list(people.operations)
        if people.encrypted.conversations:
            history += [*people.encrypted.words_in_client_files(), *tap.words()]
        if erasure:
            history += [operation async for operation in _traces(site, people, history)]
        elif people.encrypted.conversations:
            encrypted = encrypted_words(history)
            history += [found for found in await _found(site, of_processes=True) if found.word in encrypted]
    return Outcome(struck, judge(history, limits), history, attacks)


@asynccontextmanager
async def _tapped(site: Site, people: Crowd) -> AsyncIterator[BrokerTap]:
    """Listen to the broker, if there are encrypted conversations and it can be reached."""
    tap = BrokerTap()
    if site.redis_url is None or not people.encrypted.conversations:
        yield tap
        return
    async with tap.listening(site.redis_url):
        yield tap
    assert tap.payloads, "nothing of the broker was heard"


@asynccontextmanager
async def _attacker(people: Crowd, options: Sequence[str], *, present: bool) -> AsyncIterator[Mapping[str, int]]:
    if not present:
        yield {}
        return
    username = f"{people.name}-attacker"
    await people.register(username)
    async with attacked(people.url, username, *options) as attacks:
        yield attacks


async def _a_day_later(site: Site, files: Part, people: Crowd, most_s: float) -> None:
    """Let history and files remove what no message has, with clocks a day ahead, and record what is stored then."""
    assert site.wrong_clock is not None
    named = {each for one in people.operations if isinstance(one, operations.Stored) for each in one.files}
    with site.wrong_clock(site.history, A_DAY_S), site.wrong_clock(files, A_DAY_S):
        await restart(site.history)
        await restart(files)
        with contextlib.suppress(TimeoutError):
            await until(lambda: site.stored_files() == named, most_s)
    for file_id in sorted(site.stored_files()):
        people.note(operations.FileKept(at_s=time.monotonic(), file_id=file_id))


async def _traces(
    site: Site, people: Crowd, history: Sequence[operations.AnyOperation]
) -> AsyncIterator[operations.AnyOperation]:
    """Find erased words, restore the backup, and find them again: in files, and in pages that are read then."""
    erased = {each.erases for each in history if isinstance(each, operations.ChangeInvoked)} | encrypted_words(history)
    for found in await _found(site, of_processes=True):
        if found.word in erased:
            yield found
    await site.history.stop()
    try:
        await site.put_back()
        yield operations.Restored(at_s=time.monotonic())
    finally:
        await site.history.start()
    pages = [
        operations.Traced(at_s=at_s, word=word, kind="page", place=room) async for at_s, room, word in people.words()
    ]
    for found in (*pages, *await _found(site, of_processes=False)):
        if found.word in erased:
            yield found


async def _found(site: Site, *, of_processes: bool) -> list[operations.Traced]:
    at_s, found = time.monotonic(), await site.traces(of_processes=of_processes)
    places = [] if found is None else [("file", found.files), ("object", found.objects), ("memory", found.memory)]
    return [
        operations.Traced(at_s=at_s, word=word, kind=kind, place=place)
        for kind, words in places
        for place, found_there in words.items()
        for word in found_there
    ]


async def _strike(fault: Fault, scene: Scene, people: Crowd, limits: Limits) -> Struck:
    began_s = time.monotonic()
    async with fault.strike(scene):
        await asyncio.sleep(scene.chance.uniform(*fault.hold_s))
    held_s = time.monotonic() - began_s
    return Struck(fault.name, held_s, await people.recover(2 * limits.on_time_s))


def _look(site: Site, people: Crowd, *, after: bool) -> set[str]:
    """Record the resources of the processes; gateways are summed, because connections move. Returns process names."""
    uses = site.uses()
    by_kind: dict[str, list[Use]] = defaultdict(list)
    for name, use in uses.items():
        by_kind[name.replace("-", " ").split()[0]].append(use)
    for kind, held in by_kind.items():
        people.note(
            operations.Used(
                at_s=time.monotonic(),
                process=kind,
                resident_bytes=sum(use.resident_bytes for use in held),
                descriptors=sum(use.descriptors for use in held),
                after=after,
            )
        )
    return set(uses)


def each_once(faults: Iterable[Fault], seed: int) -> list[Fault]:
    """All of them in random order."""
    shuffled = list(faults)
    Random(seed).shuffle(shuffled)
    return shuffled


def for_minutes(faults: Iterable[Fault], minutes: float, seed: int) -> Iterator[Fault]:
    """Random ones of them, for this long."""
    chance, choice = Random(seed), list(faults)
    end_s = time.monotonic() + 60 * minutes
    while time.monotonic() < end_s:
        yield chance.choice(choice)
