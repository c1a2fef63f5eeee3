"""`python -m bench.promises`: measure every promise that has a figure; write PROMISES.md and PROMISES.json."""

import argparse
import asyncio
import datetime
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.loadgen import BUILD, HERE, build
from bench.machine import describe
from bench.processes import Cores, allow_open_files
from bench.promises import (
    before_encryption,
    changes,
    deafness,
    encrypted,
    encrypted_clients,
    flood,
    people,
    read_positions,
    revocations,
    rooms,
    slow_readers,
    storm,
    uploads,
)
from bench.promises.bars import Part, as_data, as_markdown, cells

PARTS = ("slow-readers", "flood", "storm", "changes", "rooms", "reading", "people", "uploads", "encryption",
         "encrypted-clients", "before-encryption", "sessions", "deafness")  # fmt: skip
OPEN_FILES = 16_000


class Wanted(NamedTuple):
    """The parts to measure, and the number of tries."""

    parts: frozenset[str]
    slow: slow_readers.Plan
    flood: flood.Plan
    storm: storm.Plan
    changes: changes.Plan
    rooms: rooms.Plan
    reading: read_positions.Plan
    people: people.Plan
    uploads: uploads.Plan
    encrypted: encrypted.Plan
    encrypted_clients: encrypted_clients.Plan
    before: before_encryption.Plan
    tries: int
    """Ended sessions, with Redis and without, spread evenly over the methods."""
    deafenings: int
    """For each kind of damage."""
    output: Path


def main() -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit("bench: the load generator needs Linux (epoll); run it in a container or virtual machine")
    wanted = _wanted()
    build()
    allow_open_files(OPEN_FILES)
    before = _load()
    with tempfile.TemporaryDirectory(prefix="chatterbox-promises-") as folder:
        parts, troubles = asyncio.run(_measure(wanted, Path(folder)))
        machine = describe(Cores(None, None), Path(folder))
    machine["pinned"] = "no"
    machine["load average"] = f"{before} before, {_load()} after: over 1, 5 and 15 minutes, including the measurement"
    machine["date"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    wanted.output.mkdir(parents=True, exist_ok=True)
    markdown = as_markdown(machine, parts, troubles)
    (wanted.output / "PROMISES.md").write_text(markdown)
    data = _with_short_lists(json.dumps(as_data(machine, parts, troubles), indent=1, ensure_ascii=False))
    (wanted.output / "PROMISES.json").write_text(data + "\n")
    print(f"\n{markdown}\nwritten to {wanted.output / 'PROMISES.md'} and PROMISES.json")


def _with_short_lists(text: str) -> str:
    r"""Indented JSON with each list of numbers on one line.

    >>> _with_short_lists('[\n 1,\n 2.5\n]')
    '[1, 2.5]'
    """
    return re.sub(r"\[[-+\d.e,\s]+\]", lambda found: "[" + " ".join(found[0].strip("[]").split()) + "]", text)


def _wanted() -> Wanted:
    parser = argparse.ArgumentParser(
        prog="python -m bench.promises", description="Measure the promises that have a figure."
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few tries of each, for a first impression; PROMISES.md is not changed"
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="run only this part (repeatable); PROMISES.md is not changed"
    )
    parser.add_argument(
        "--before", type=Path, metavar="FOLDER", help=f"code before encryption: commit {before_encryption.COMMIT}"
    )
    parser.add_argument("--output", type=Path, help="folder for PROMISES.md and PROMISES.json")
    options = parser.parse_args()
    plan = slow_readers.Plan(rounds=1, rounds_with_many=1, run_s=5) if options.quick else slow_readers.Plan()
    floods = flood.Plan(run_s=4) if options.quick else flood.Plan()
    storms = storm.Plan(rounds=1) if options.quick else storm.Plan()
    small = changes.Plan(batches=10, changes=100, members=100, reactions=1000, storm_s=10, held=200, returns=3)
    changed = small if options.quick else changes.Plan()
    reading = read_positions.Plan(rounds=3, tries=10) if options.quick else read_positions.Plan()
    many = rooms.Plan(cold=2, returns=10, more=10, crowd=20) if options.quick else rooms.Plan()
    small_crowd = people.Plan(
        rounds=1, lookers=100, typing=10, run_s=4, storms=1, returning=200, returning_people=20, crowd=200,
        each_minutes=0.5, crowd_s=8, names=20, day_tries=5,
    )  # fmt: skip
    crowd = small_crowd if options.quick else people.Plan()
    uploaded = uploads.Plan(rounds=1, run_s=4, tries=1) if options.quick else uploads.Plan()
    few = encrypted.Plan(batches=10, members=8, messages=200, rounds=2)
    encrypting = few if options.quick else encrypted.Plan()
    clients = encrypted_clients.SMALL if options.quick else encrypted_clients.Plan()
    folder = options.before and options.before.resolve()
    little = before_encryption.Plan(folder, members=5, messages=500, rounds=3, starts=3)
    earlier = little if options.quick else before_encryption.Plan(folder)
    tries, deafenings = (8, 1) if options.quick else (200, 10)
    output = options.output or (BUILD if options.quick or options.only else HERE)
    return Wanted(
        frozenset(options.only or PARTS), plan, floods, storms, changed, many, reading, crowd, uploaded, encrypting,
        clients, earlier, tries, deafenings, output,
    )  # fmt: skip


async def _measure(wanted: Wanted, folder: Path) -> tuple[list[Part], list[str]]:
    parts: list[Part] = []
    troubles: list[str] = []
    for name in PARTS:
        if name in wanted.parts:
            (folder / name).mkdir()
            part, found = await _MEASUREMENTS[name](wanted, folder / name)
            parts.append(part)
            troubles += found
            print("\n".join(" | ".join(cells(line)) for line in part.lines), flush=True)
    return parts, troubles


async def _slow_readers(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    async with slow_readers.site(folder) as site:
        measured = await slow_readers.measure(site, wanted.slow)
        measured.large = await slow_readers.measure_large(site, wanted.slow)
        gone = await slow_readers.measure_gone(site, wanted.slow)
    return slow_readers.part(wanted.slow, measured, gone), measured.troubles


async def _flood(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    async with flood.site(folder) as site:
        measured = await flood.measure(site, wanted.flood)
    async with flood.one_process(folder) as site:
        await flood.measure_others(site, wanted.flood, measured)
    return flood.part(measured), measured.troubles


async def _storm(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    async with storm.site(folder) as site:
        measured = await storm.measure(site, wanted.storm)
    return storm.part(wanted.storm, measured), measured.troubles


async def _changes(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return changes.part(wanted.changes, await changes.measure(folder, wanted.changes)), []


async def _reading(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return read_positions.part(wanted.reading, await read_positions.measure(folder, wanted.reading)), []


async def _people(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    measured = await people.measure(folder, wanted.people)
    return people.part(wanted.people, measured), measured.troubles


async def _uploads(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    measured = await uploads.measure(folder, wanted.uploads)
    return uploads.part(wanted.uploads, measured), measured.troubles


async def _encrypted(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return encrypted.part(wanted.encrypted, await encrypted.measure(folder, wanted.encrypted)), []


async def _encrypted_clients(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    measured = await encrypted_clients.measure(folder, wanted.encrypted_clients)
    return encrypted_clients.part(wanted.encrypted_clients, measured), []


async def _before_encryption(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return before_encryption.part(wanted.before, await before_encryption.measure(folder, wanted.before)), []


async def _rooms(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return rooms.part(wanted.rooms, await rooms.measure(folder, wanted.rooms)), []


async def _sessions(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    async with revocations.site(folder) as site:
        with_redis, without_redis = await revocations.measure_both(site, wanted.tries)
    return revocations.part(with_redis, without_redis), [*with_redis.troubles, *without_redis.troubles]


async def _deafness(wanted: Wanted, folder: Path) -> tuple[Part, list[str]]:
    return await deafness.measure(folder, wanted.deafenings)


_MEASUREMENTS = {
    "slow-readers": _slow_readers,
    "flood": _flood,
    "storm": _storm,
    "changes": _changes,
    "rooms": _rooms,
    "reading": _reading,
    "people": _people,
    "uploads": _uploads,
    "encryption": _encrypted,
    "encrypted-clients": _encrypted_clients,
    "before-encryption": _before_encryption,
    "sessions": _sessions,
    "deafness": _deafness,
}


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
