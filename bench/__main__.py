"""`python -m bench`: run all workloads in interleaved rounds, print the tables, write RESULTS.md and results.json."""

import argparse
import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from bench.disk import measure_commits
from bench.field import Field
from bench.figures import Measured
from bench.ladder import climb
from bench.loadgen import BUILD, HERE, LoadError, build
from bench.machine import describe
from bench.measure import Outcome, measure, troubles
from bench.peers.kinds import KINDS, PAGE_KINDS
from bench.plots import draw
from bench.processes import Cores, choose_cores, raise_open_files, too_few_files
from bench.report import Results, as_data, as_markdown, as_text, trouble
from bench.subject import Subject
from bench.workloads import WORKLOADS, Workload
from chatterbox.chassis.operator_errors import report_operator_errors

OTHER_FILES = 1000
"""Open files of a process, in addition to its connections."""


class Plan(NamedTuple):
    """The workloads, the number of rounds and the output folder."""

    workloads: tuple[Workload, ...]
    rounds: int
    commits_s: float
    output: Path


def main() -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit("bench: the load generator needs Linux (epoll); run it in a container or virtual machine")
    options = _options()
    plan, cores = _plan(options), choose_cores()
    build()
    plan, left_out = _possible(plan)
    options.data.mkdir(parents=True, exist_ok=True)
    field = Field(plan.workloads, options.data, cores.server, options.peer or ())
    _say("creating accounts and rooms …")
    shutil.rmtree(options.data / "made", ignore_errors=True)
    field.whole.prepare(with_residents=any(workload.load.resides for workload in plan.workloads))
    field.missing.update(left_out)
    results = _measure(plan, field, cores, options.data)
    print(f"\n{as_text(results)}\n\nwritten to {plan.output / 'RESULTS.md'} and results.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmark Chatterbox on this machine.")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default: 3; with --quick 1)")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, for a first impression; RESULTS.md is not changed"
    )
    parser.add_argument("--only", action="append", choices=[workload.name for workload in WORKLOADS], metavar="NAME",
                        help="run only this workload (repeatable); RESULTS.md is not changed")  # fmt: skip
    peers = [kind.name for kind in (*KINDS, *PAGE_KINDS)]
    parser.add_argument(
        "--peer", action="append", choices=peers, metavar="NAME", help="run only this peer (repeatable)"
    )
    parser.add_argument("--data", type=Path, default=BUILD / "run", help="folder on the disk to measure")
    parser.add_argument("--output", type=Path, help="folder for RESULTS.md and results.json")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    chosen = [workload for workload in WORKLOADS if not options.only or workload.name in options.only]
    is_whole = not (options.quick or options.only or options.peer)
    return Plan(
        tuple(workload.quick() if options.quick else workload for workload in chosen),
        options.rounds or (1 if options.quick else 3),
        commits_s=1.0 if options.quick else 3.0,
        output=options.output or (HERE if is_whole else BUILD),
    )


def _possible(plan: Plan) -> tuple[Plan, dict[str, str]]:
    """Remove the workloads that need more open files than allowed; return the reason for each of them."""
    needs = {workload.name: OTHER_FILES + workload.load.members for workload in plan.workloads}
    allowed = raise_open_files(max(needs.values()))
    left_out = {name: too_few_files(needed, allowed) for name, needed in needs.items() if needed > allowed}
    workloads = tuple(workload for workload in plan.workloads if workload.name not in left_out)
    return plan._replace(workloads=workloads), left_out


def _measure(plan: Plan, field: Field, cores: Cores, data: Path) -> Results:
    """Run each round over all workloads, so that changes on the machine affect all workloads and subjects alike.

    Results are written after each round, so an interrupted run keeps the completed rounds.
    """
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    results = Results({**describe(cores, data), **field.versions()}, date, plan.rounds, missing=field.missing)
    for number in range(1, plan.rounds + 1):
        for workload in plan.workloads:
            for subject in field.subjects(workload):
                _say(f"round {number} of {plan.rounds}: {workload.name}, {subject.name}")
                _add(results, workload, subject, number, cores.load)
        results.commits.append(measure_commits(data, plan.commits_s))
        results.rounds = number
        _write(results, plan.output)
    return results


def _add(results: Results, workload: Workload, subject: Subject, number: int, core: int | None) -> None:
    """Add one entry for each round, also after a failure, so that an index identifies the round."""
    measured: Measured = {}
    try:
        outcome = _outcome(results, workload, subject, core)
    except (LoadError, OSError) as problem:  # OSError: the server has exited
        found = [str(problem)]
    else:
        found = ["no rate was sustained"] if outcome is None else troubles(outcome)
        measured = {} if outcome is None else workload.group.read(outcome)
    results.add(workload.name, subject.name, measured)
    results.troubles += [trouble(workload, subject.name, number, what) for what in found]


def _outcome(results: Results, workload: Workload, subject: Subject, core: int | None) -> Outcome | None:
    if workload.ladder is None:
        return measure(subject, workload.load, core)
    climbed = climb(subject, workload, workload.ladder, core)
    results.climbs.setdefault((workload.name, subject.name), []).append(climbed.rungs)
    return climbed.best


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(results, folder / "plots")
    (folder / "RESULTS.md").write_text(as_markdown(results, drawn))
    (folder / "results.json").write_text(json.dumps(as_data(results), indent=1, ensure_ascii=False) + "\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with report_operator_errors():
        main()
