"""Reports runs of the fault suite side by side, as Markdown tables and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from statistics import median

import msgspec

from tests.chaos.verdict import MEANINGS, Counts, Verdict, Violation

MOST_SENTENCES = 10
"""Violations of one run that are listed; the rest are counted."""
FIGURES = tuple(field for field in Counts.__struct_fields__ if field not in {"paged", "stored"})
"""The columns of counts: fields of `Counts`."""
HEADINGS = ("fault", "site", "seed", *FIGURES, "recovery", "violations")


class Struck(msgspec.Struct, frozen=True):
    """An injected fault: its duration, and how long after it every reader had every message (seconds).

    `recovered_s` is None after a timeout.
    """

    fault: str
    held_s: float
    recovered_s: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its faults, site, seed and verdict."""

    fault: str
    site: str
    """`processes` or `containers`."""
    seed: int
    verdict: Verdict
    struck: list[Struck] = []
    """The injected faults in order, if there were several."""

    @property
    def title(self) -> str:
        return f"{self.fault}, {self.site}, seed {self.seed}"


def to_json(reports: Sequence[Report]) -> bytes:
    """Encode everything, including every violation."""
    return msgspec.json.format(msgspec.json.encode(reports), indent=2)


def from_json(data: bytes) -> list[Report]:
    """Decode what `to_json` wrote; raises `msgspec.ValidationError`."""
    return msgspec.json.decode(data, type=list[Report])


def to_markdown(reports: Iterable[Report]) -> str:
    """A table of the runs and one of the faults, followed by the violations."""
    runs = list(reports)
    lines = [*_table(HEADINGS, map(_cells, runs)), *_recoveries(runs)]
    for run in runs:
        if not run.verdict.is_clean:
            lines += ["", f"**{_escaped(run.title)}**", "", *_told(run.verdict.violations)]
    broken = {invariant for run in runs for invariant in run.verdict.broken}
    if broken:
        lines += ["", *(f"- {invariant}: {MEANINGS[invariant]}" for invariant in MEANINGS if invariant in broken)]
    return "\n".join(lines) + "\n"


_NUMBERS = {"seed", *FIGURES, "recovery", "times", "held", "median", "worst"}


def _table(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row("--:" if heading in _NUMBERS else "---" for heading in headings)
    yield from map(_row, rows)


def _recoveries(runs: Sequence[Report]) -> Iterator[str]:
    """How long each fault lasted, and how long recovery took."""
    by_fault: dict[tuple[str, str], list[Struck]] = {}
    for run in runs:
        for struck in run.struck:
            by_fault.setdefault((struck.fault, run.site), []).append(struck)
    if by_fault:
        yield ""
        yield from _table(
            ("fault", "site", "times", "held", "median", "worst"),
            ((_escaped(fault), _escaped(site), *_times(struck)) for (fault, site), struck in sorted(by_fault.items())),
        )


def _times(struck: Sequence[Struck]) -> Iterator[str]:
    yield f"{len(struck):,}"
    yield f"{median(each.held_s for each in struck):.1f} s"
    recovered_s = [inf if each.recovered_s is None else each.recovered_s for each in struck]
    yield _seconds(median(recovered_s))
    yield _seconds(max(recovered_s))


def _seconds(duration_s: float) -> str:
    return "never" if duration_s == inf else f"{duration_s:.1f} s"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(run: Report) -> Iterator[str]:
    yield _escaped(run.fault)
    yield _escaped(run.site)
    yield str(run.seed)
    for figure in FIGURES:
        yield f"{getattr(run.verdict.counts, figure):,}"
    yield "-" if run.verdict.recovery_s is None else f"{run.verdict.recovery_s:.1f} s"
    yield _summed(run.verdict.violations)


def _summed(violations: Sequence[Violation]) -> str:
    counted = Counter(violation.invariant for violation in violations)
    return ", ".join(f"{invariant} × {count:,}" for invariant, count in counted.items()) or "none"  # noqa: RUF001


def _told(violations: Sequence[Violation]) -> Iterator[str]:
    for violation in violations[:MOST_SENTENCES]:
        yield f"- {_escaped(str(violation))}"
    if len(violations) > MOST_SENTENCES:
        yield f"- and {len(violations) - MOST_SENTENCES:,} more"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
