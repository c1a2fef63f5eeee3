"""`python -m tests.simulation`: run many schedules, name each seed that is not clean, and say how to see it again."""

import argparse
import sys
import time
from dataclasses import fields

from tests.simulation.schedule import Outcome, simulate

MOST_SENTENCES = 8


def main() -> None:
    options = _options()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    simulated_s, failures = 0.0, 0
    for seed in range(options.first, options.first + options.seeds):
        outcome = simulate(seed)
        simulated_s += outcome.simulated_s
        if options.trace:
            _show(outcome)
        if not outcome.is_clean:
            failures += 1
            _tell(outcome)
    cpu_s = time.process_time() - began_cpu_s
    print(
        f"{options.seeds} schedules, {failures} not clean; {simulated_s:,.0f} simulated seconds in"
        f" {time.monotonic() - began_s:.1f} s, {cpu_s:.1f} s of them at work:"
        f" {60 * options.seeds / cpu_s:,.0f} schedules a minute of one core"
    )
    sys.exit(failures > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, epilog="Exit status 1: a schedule was not clean."
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules (default: 1000)")
    parser.add_argument("--first", type=int, default=1, help="the seed of the first (default: 1)")
    parser.add_argument("--trace", action="store_true", help="print all that was done and seen")
    return parser.parse_args()


def _tell(outcome: Outcome) -> None:
    print(f"seed {outcome.seed}:")
    for sentence in outcome.sentences[:MOST_SENTENCES]:
        print(f"  {sentence}")
    if len(outcome.sentences) > MOST_SENTENCES:
        print(f"  and {len(outcome.sentences) - MOST_SENTENCES} more")
    print(f"  again: python -m tests.simulation --first {outcome.seed} --seeds 1 --trace", flush=True)


def _show(outcome: Outcome) -> None:
    for each in fields(outcome.conditions):
        print(f"{each.name:16} {getattr(outcome.conditions, each.name)}")
    for operation in outcome.record:
        print(f"{operation.at_s:10.6f} {operation}")


if __name__ == "__main__":
    main()
