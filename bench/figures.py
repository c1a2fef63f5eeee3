"""Figures: what a number means, and many runs of it made into one line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Measured: TypeAlias = dict[str, float]
"""What one run gave: the key of a figure to its value."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of a table. `digits` is how many decimals are worth showing."""

    key: str
    title: str
    digits: int = 0

    def show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What several runs gave for one figure."""

    median: float
    least: float
    most: float
    values: tuple[float, ...]


def summarize(values: Sequence[float]) -> Summary:
    """Median and spread. Three rounds allow no finer statistics, so none are made up; `values` is not empty."""
    return Summary(median(values), min(values), max(values), tuple(values))


def summarize_runs(runs: Sequence[Measured]) -> dict[str, Summary]:
    """The summary of each figure that all of `runs` have; a run that came to nothing, and has none, does not count."""
    whole = [run for run in runs if run]
    if not whole:
        return {}
    return {key: summarize([run[key] for run in whole]) for key in whole[0] if all(key in run for run in whole)}


def show(figure: Figure, summary: Summary | None) -> str:
    """A table's cell: the median and, when there were several runs, from where to where they went."""
    if summary is None:
        return "-"
    if len(summary.values) == 1:
        return figure.show(summary.median)
    return f"{figure.show(summary.median)} ({figure.show(summary.least)}…{figure.show(summary.most)})"
