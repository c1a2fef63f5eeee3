"""Results as a table on the screen, as Markdown and as JSON. Pure."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import disk
from bench.figures import Figure, Measured, Summary, show, summarize_runs
from bench.groups import Group
from bench.ladder import Rung
from bench.promises.bars import HEADS, cells, lines_as_data, table
from bench.targets import judged
from bench.workloads import WORKLOADS, Workload


@dataclass(slots=True)
class Results:
    """Everything that was measured. `runs` has one `Measured` for each round, by workload and subject."""

    machine: dict[str, str]
    date: str
    rounds: int
    runs: dict[tuple[str, str], list[Measured]] = field(default_factory=dict)
    commits: list[Measured] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    climbs: dict[tuple[str, str], list[list[Rung]]] = field(default_factory=dict)
    """The rungs of each round, by workload and subject."""
    missing: dict[str, str] = field(default_factory=dict)
    """Who could not take part, and why."""

    def add(self, workload: str, subject: str, measured: Measured) -> None:
        self.runs.setdefault((workload, subject), []).append(measured)


@dataclass(frozen=True, slots=True)
class Table:
    """A title, column heads and rows of cells, all of them text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(results: Results) -> list[Table]:
    """One table for each group of workloads that was measured, then the disk's."""
    groups: dict[str, Group] = {workload.group.title: workload.group for workload in WORKLOADS}
    found = [_table(group, results) for group in groups.values()]
    if results.commits:
        found.append(_commits(results))
    return [table for table in found if table.rows]


def _table(group: Group, results: Results) -> Table:
    rows = [
        (workload.title, subject, *_cells(group.figures, summarize_runs(runs)))
        for workload in WORKLOADS
        for (name, subject), runs in results.runs.items()
        if workload.group is group and workload.name == name
    ]
    return Table(group.title, ("workload", "server", *(figure.title for figure in group.figures)), tuple(rows))


def _commits(results: Results) -> Table:
    cells = _cells(disk.FIGURES, summarize_runs(results.commits))
    heads = ("what", *(figure.title for figure in disk.FIGURES))
    return Table("Synced commits on this disk", heads, (("SQLite alone, write-ahead log, synchronous=FULL", *cells),))


def _cells(figures: Sequence[Figure], summaries: Mapping[str, Summary]) -> list[str]:
    return [show(figure, summaries.get(figure.key)) for figure in figures]


def as_text(results: Results) -> str:
    """For the screen."""
    parts = [_aligned(table) for table in [*tables(results), *_bars_as_table(results)]]
    parts += [f"Not there: {name}: {why}" for name, why in results.missing.items()]
    if results.troubles:
        parts.append("Troubles\n" + "\n".join(f"  {trouble}" for trouble in results.troubles))
    return "\n\n".join(parts)


def _bars_as_table(results: Results) -> list[Table]:
    part = judged(results.runs)
    return [Table(part.title, HEADS, tuple(map(cells, part.lines)))] if part.lines else []


def _aligned(table: Table) -> str:
    lines = [table.heads, *table.rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(table.heads))]
    return "\n".join([table.title, *("  " + _line(line, widths) for line in lines)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell + " " * (width - _width(cell)) if not index else " " * (width - _width(cell)) + cell
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def _width(text: str) -> int:
    return sum(not unicodedata.combining(character) for character in text)


def as_markdown(results: Results, pictures: Sequence[Path] = ()) -> str:
    """For RESULTS.md; `pictures` are in the folder `plots` beside it."""
    parts = [
        "# Results\n\nWritten by `make bench`; [README.md](README.md) says what each workload is and how to read it.",
        "\n".join(f"- **{name}**: {value}" for name, value in results.machine.items()),
        f"{results.date}, rounds: {results.rounds}, interleaved. Each cell: median (least…most).",
        *_bars(results),
        *(_markdown_table(table) for table in tables(results)),
        *(f"![{picture.stem}](plots/{picture.name})" for picture in pictures),
    ]
    if results.missing:
        missing = [f"- **{name}**: {why}" for name, why in results.missing.items()]
        parts.append("## Who could not take part\n\n" + "\n".join(missing))
    if results.troubles:
        parts.append("## Troubles\n\n" + "\n".join(f"- {trouble}" for trouble in results.troubles))
    return "\n\n".join(parts) + "\n"


def _bars(results: Results) -> list[str]:
    part = judged(results.runs)
    return [f"## {part.title}\n\n{part.made}\n\n{table(part)}"] if part.lines else []


def _markdown_table(table: Table) -> str:
    lines = [table.heads, ("---", *("---:" for _ in table.heads[1:])), *table.rows]
    return f"## {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_data(results: Results) -> dict[str, Any]:
    """For results.json: everything, each round's values included."""
    measured = [
        {"workload": workload, "server": subject, "figures": _data(runs)}
        for (workload, subject), runs in results.runs.items()
    ]
    return {
        "date": results.date,
        "rounds": results.rounds,
        "machine": results.machine,
        "results": measured,
        "bars": lines_as_data(judged(results.runs)),
        "climbs": [
            {"workload": workload, "server": subject, "rounds": [[rung._asdict() for rung in each] for each in rounds]}
            for (workload, subject), rounds in results.climbs.items()
        ],
        "missing": results.missing,
        "commits": _data(results.commits),
        "troubles": results.troubles,
    }


def _data(runs: Sequence[Measured]) -> dict[str, Any]:
    return {key: asdict(summary) for key, summary in summarize_runs(runs).items()}


def trouble(workload: Workload, subject: str, round_number: int, what: str) -> str:
    """A line about a run that went otherwise than it should."""
    return f"{workload.name}, {subject}, round {round_number}: {what}"
