"""What was promised in figures, what was measured, and whether the one reaches the other. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any


class Judged(StrEnum):
    """Which figure of many is held against the bar."""

    MEDIAN = "median"
    P99 = "p99"
    MOST = "most"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that is promised: at most `most`. Without a bar (`most` is None) it only explains the others."""

    title: str
    unit: str = ""
    judged: Judged = Judged.MEDIAN
    most: float | None = None
    digits: int = 2

    def show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}{self.unit and ' '}{self.unit}"

    @property
    def promised(self) -> str:
        return "" if self.most is None else f"{self.judged} ≤ {self.show(self.most)}"


@dataclass(frozen=True, slots=True)
class Line:
    """A bar and the values measured for it, in the order in which they came."""

    bar: Bar
    values: Sequence[float]

    @property
    def is_reached(self) -> bool | None:
        """Whether the bar is reached; None where there is none. What was not measured reaches nothing."""
        if self.bar.most is None:
            return None
        return bool(self.values) and self.figure(self.bar.judged) <= self.bar.most

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "**not reached**", None: ""}[self.is_reached]

    def figure(self, judged: Judged) -> float:
        if judged is Judged.MEDIAN:
            return median(self.values)
        return p99(self.values) if judged is Judged.P99 else max(self.values)


def p99(values: Sequence[float]) -> float:
    """The least value that 99 % of `values` don't exceed; the greatest, of fewer than 100.

    >>> p99(range(1, 201))
    198
    """
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement: how it was made, and its lines."""

    title: str
    made: str
    lines: Sequence[Line]


HEADS = ("what", "promised", "n", "median", "p99", "least…most", "")


def cells(line: Line) -> tuple[str, ...]:
    """A row of the table."""
    if not line.values:
        return (line.bar.title, line.bar.promised, "0", "-", "-", "-", line.verdict)
    show = line.bar.show
    return (
        line.bar.title,
        line.bar.promised,
        f"{len(line.values):,}",
        show(line.figure(Judged.MEDIAN)),
        show(line.figure(Judged.P99)),
        f"{show(min(line.values))}…{show(max(line.values))}",
        line.verdict,
    )


def as_markdown(machine: Mapping[str, str], parts: Sequence[Part], troubles: Sequence[str]) -> str:
    """For PROMISES.md."""
    sections = [
        "# Promises, measured\n\nWritten by `make promises`; [README.md](README.md) says how to read it.",
        "\n".join(f"- **{name}**: {value}" for name, value in machine.items()),
        *(f"## {part.title}\n\n{part.made}\n\n{_table(part)}" for part in parts),
    ]
    if troubles:
        sections.append("## Troubles\n\n" + "\n".join(f"- {trouble}" for trouble in troubles))
    return "\n\n".join(sections) + "\n"


def _table(part: Part) -> str:
    lines = [HEADS, ("---", "---", *("---:" for _ in HEADS[2:-1]), "---"), *map(cells, part.lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_data(machine: Mapping[str, str], parts: Sequence[Part], troubles: Sequence[str]) -> dict[str, Any]:
    """For promises.json: every value."""
    measured = [
        {
            "part": part.title,
            "made": part.made,
            "lines": [
                {
                    "what": line.bar.title, "unit": line.bar.unit, "judged": line.bar.judged, "most": line.bar.most,
                    "reached": line.is_reached, "values": list(line.values),
                }
                for line in part.lines
            ],
        }
        for part in parts
    ]  # fmt: skip
    return {"machine": dict(machine), "parts": measured, "troubles": list(troubles)}
