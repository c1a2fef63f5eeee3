"""`python -m tests.simulation`: run many schedules; report each seed that fails and how to reproduce it."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import NoReturn

from tests.simulation.encryption.schedule import run as run_encrypted
from tests.simulation.presence_schedule import PresenceSchedule
from tests.simulation.schedule import Outcome, simulate
from tests.simulation.stepped_reads import ReadSchedule
from tests.simulation.stepped_schedule import SteppedSchedule

MAX_SENTENCES = 8


def main() -> None:
    options = _options()
    if options.encrypted or options.encrypted_rooms:
        in_room = options.encrypted_rooms
        _run_without_time(partial(_encrypted, in_room=in_room), range(options.first, options.first + options.seeds))
    if options.without_time or options.reads or options.presence:
        judge = SteppedSchedule.judge if options.without_time else ReadSchedule.judge
        judge = PresenceSchedule.judge if options.presence else judge
        _run_without_time(judge, range(options.first, options.first + options.seeds))
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    simulated_s, failures = 0.0, 0
    for seed in range(options.first, options.first + options.seeds):
        outcome = simulate(seed)
        simulated_s += outcome.simulated_s
        if options.trace:
            _trace(outcome)
        if not outcome.is_clean:
            failures += 1
            _report(outcome)
    cpu_s = time.process_time() - began_cpu_s
    print(
        f"{options.seeds} schedules, {failures} failed; {simulated_s:,.0f} simulated seconds in"
        f" {time.monotonic() - began_s:.1f} s, {cpu_s:.1f} s of CPU time:"
        f" {60 * options.seeds / cpu_s:,.0f} schedules per minute and core"
    )
    sys.exit(failures > 0)


def _run_without_time(judge: Callable[[int], str | None], seeds: range) -> NoReturn:
    """Run schedules of changes alone, of read positions, of presence, or of encrypted conversations."""
    began_s, failures = time.process_time(), 0
    for seed in seeds:
        if (problem := judge(seed)) is not None:
            failures += 1
            print(f"seed {seed}: {problem}", flush=True)
    print(f"{len(seeds)} schedules, {failures} failed; {time.process_time() - began_s:.1f} s of CPU time")
    sys.exit(failures > 0)


def _encrypted(seed: int, *, in_room: bool) -> str | None:
    found = run_encrypted(seed, in_room=in_room)
    return "; ".join(found[:MAX_SENTENCES]) if found else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, epilog="Exit status 1: a schedule failed."
    )
    parser.add_argument("--seeds", type=int, default=1000, help="number of schedules (default: 1000)")
    parser.add_argument("--first", type=int, default=1, help="seed of the first schedule (default: 1)")
    parser.add_argument("--trace", action="store_true", help="print every operation")
    without_help = "run the small schedules of message changes, which have no clock, instead"
    parser.add_argument("--without-time", action="store_true", help=without_help)
    reads_help = "run those of what a user reads on several devices, which have no clock either, instead"
    parser.add_argument("--reads", action="store_true", help=reads_help)
    parser.add_argument("--presence", action="store_true", help="run those of presence over several gateways instead")
    encrypted_help = "run those of encrypted conversations, with real history and key stores, instead"
    parser.add_argument("--encrypted", action="store_true", help=encrypted_help)
    rooms_help = "run those of encrypted private rooms, whose members come and go, instead"
    parser.add_argument("--encrypted-rooms", action="store_true", help=rooms_help)
    return parser.parse_args()


def _report(outcome: Outcome) -> None:
    print(f"seed {outcome.seed}:")
    for sentence in outcome.sentences[:MAX_SENTENCES]:
        print(f"  {sentence}")
    if len(outcome.sentences) > MAX_SENTENCES:
        print(f"  and {len(outcome.sentences) - MAX_SENTENCES} more")
    print(f"  reproduce: python -m tests.simulation --first {outcome.seed} --seeds 1 --trace", flush=True)


def _trace(outcome: Outcome) -> None:
    for each in fields(outcome.conditions):
        print(f"{each.name:16} {getattr(outcome.conditions, each.name)}")
    for operation in outcome.record:
        print(f"{operation.at_s:10.6f} {operation}")


if __name__ == "__main__":
    main()
