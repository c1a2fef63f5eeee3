"""`python -m tests.chaos`: inject faults under load, check the invariants and write a report."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos import operations
from tests.chaos.container_site import containers
from tests.chaos.crowd import NOTHING_ENCRYPTED, Load
from tests.chaos.encrypted_crowd import EncryptedLoad
from tests.chaos.faults import Fault, available
from tests.chaos.process_site import processes
from tests.chaos.report import Report, Struck, to_json, to_markdown
from tests.chaos.run import each_once, for_minutes, run
from tests.chaos.site import Site
from tests.support.engine import no_reaper, why_no_engine

GATEWAYS = 3


def main() -> None:
    options = _options()
    if options.site == "containers" and (lack := why_no_engine()) is not None:
        raise SystemExit(f"chaos: containers: {lack}; try --site processes")
    options.output.mkdir(parents=True, exist_ok=True)
    reports: list[Report] = []
    for seed in options.seed:
        reports.append(asyncio.run(_run(options, seed)))
        (options.output / "REPORT.md").write_text(to_markdown(reports))
        (options.output / "report.json").write_bytes(to_json(reports))
    print(f"\n{to_markdown(reports)}\nwritten to {options.output / 'REPORT.md'} and report.json")
    sys.exit(any(not report.verdict.is_clean for report in reports))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, epilog="Exits with status 1 if an invariant was violated."
    )
    parser.add_argument("--site", choices=["processes", "containers"], default="processes", help="default: processes")
    parser.add_argument("--seed", type=int, action="append", help="random seed (may be repeated; default: 1)")
    parser.add_argument("--minutes", type=float, help="inject random faults for this long; without it, each fault once")
    parser.add_argument("--fault", action="append", metavar="WORDS", help="only faults whose name contains WORDS")
    attacker_help = "flood the site by connection, by account and over HTTP meanwhile (default: yes)"
    parser.add_argument("--attacker", action=argparse.BooleanOptionalAction, default=True, help=attacker_help)
    encrypted_help = "let devices write in encrypted conversations meanwhile, and check E1 to E7 (default: yes)"
    parser.add_argument("--encrypted", action=argparse.BooleanOptionalAction, default=True, help=encrypted_help)
    parser.add_argument("--output", type=Path, default=Path("tests/.cache/chaos"), metavar="FOLDER")
    options = parser.parse_args()
    options.seed = options.seed or [1]
    return options


async def _run(options: argparse.Namespace, seed: int) -> Report:
    folder = options.output / f"{options.site}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    async with _site(options.site, folder.resolve()) as site:
        print(f"chaos: {options.site}, seed {seed}", flush=True)
        for lack in site.lacks:
            print(f"chaos: {lack}", flush=True)
        encrypted = EncryptedLoad(conversations=3, rooms=2) if options.encrypted else NOTHING_ENCRYPTED
        load = Load(
            users=20, connections=80, sends_per_s=100, cuts_per_s=2, uploads_per_s=1, encrypted=encrypted, seed=seed
        )
        faults, erasure = _faults(site, seed, options), site.kind == "processes"
        outcome = await run(site, load, faults, attacker=options.attacker, erasure=erasure, tell=_tell)
    for attack, times in outcome.attacks.items():
        print(f"chaos: attacker: {attack}: {times:,}", flush=True)
    what = "each fault once" if options.minutes is None else f"random faults for {options.minutes:g} min"
    what += "" if options.attacker else ", no attacker"
    if outcome.verdict.is_clean:
        shutil.rmtree(folder)
    else:
        (folder / "history.jsonl").write_bytes(operations.to_lines(outcome.history))
        print(f"chaos: seed {seed} violated an invariant; its history and all logs are in {folder}", flush=True)
    return Report(fault=what, site=options.site, seed=seed, verdict=outcome.verdict, struck=outcome.struck)


@asynccontextmanager
async def _site(kind: str, folder: Path) -> AsyncIterator[Site]:
    if kind == "processes":
        async with processes(folder, GATEWAYS) as site:
            yield site
    else:
        with no_reaper(), containers(folder, GATEWAYS) as deployed:
            yield deployed


def _faults(site: Site, seed: int, options: argparse.Namespace) -> Iterable[Fault]:
    wanted = [fault for fault in available(site) if _is_wanted(fault, options.fault)]
    if not wanted:
        names = ", ".join(fault.name for fault in available(site))
        raise SystemExit(f"chaos: no such fault here; available: {names}")
    return each_once(wanted, seed) if options.minutes is None else for_minutes(wanted, options.minutes, seed)


def _is_wanted(fault: Fault, words: list[str] | None) -> bool:
    return words is None or any(each in fault.name for each in words)


def _tell(struck: Struck) -> None:
    again = "not in time" if struck.recovered_s is None else f"after {struck.recovered_s:4.1f} s"
    print(f"  {struck.fault:40} {struck.held_s:5.1f} s, recovered {again}", flush=True)


if __name__ == "__main__":
    main()
