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
    """A figure that is promised: at most `most`, or at least `least`. With neither it only explains the others."""

    title: str
    unit: str = ""
    judged: Judged = Judged.MEDIAN
    most: float | None = None
    digits: int = 2
    least: float | None = None

    def show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}{self.unit and ' '}{self.unit}"

    @property
    def promised(self) -> str:
        if self.least is not None:
            return f"{self.judged} ≥ {self.show(self.least)}"
        return "" if self.most is None else f"{self.judged} ≤ {self.show(self.most)}"

    def holds(self, value: float) -> bool | None:
        """Whether a value reaches the bar; None where there is none."""
        if self.least is not None:
            return value >= self.least
        return None if self.most is None else value <= self.most


@dataclass(frozen=True, slots=True)
class Line:
    """A bar and the values measured for it, in the order in which they came."""

    bar: Bar
    values: Sequence[float]

    @property
    def is_reached(self) -> bool | None:
        """Whether the bar is reached; None where there is none. What was not measured reaches nothing."""
        if not self.values:
            return False if self.bar.promised else None
        return self.bar.holds(self.figure(self.bar.judged))

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
        *(f"## {part.title}\n\n{part.made}\n\n{table(part)}" for part in parts),
    ]
    if troubles:
        sections.append("## Troubles\n\n" + "\n".join(f"- {trouble}" for trouble in troubles))
    return "\n\n".join(sections) + "\n"


def table(part: Part) -> str:
    """A part's lines as a table in Markdown."""
    lines = [HEADS, ("---", "---", *("---:" for _ in HEADS[2:-1]), "---"), *map(cells, part.lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_data(machine: Mapping[str, str], parts: Sequence[Part], troubles: Sequence[str]) -> dict[str, Any]:
    """For promises.json: every value."""
    measured = [{"part": part.title, "made": part.made, "lines": lines_as_data(part)} for part in parts]
    return {"machine": dict(machine), "parts": measured, "troubles": list(troubles)}


def lines_as_data(part: Part) -> list[dict[str, Any]]:
    """A part's lines, with every value."""
    return [
        {
            "what": line.bar.title, "unit": line.bar.unit, "judged": line.bar.judged, "most": line.bar.most,
            "least": line.bar.least, "reached": line.is_reached, "values": list(line.values),
        }
        for line in part.lines
    ]  # fmt: skip
