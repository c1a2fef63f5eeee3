"""Figures: their titles and formats, and the summary of several runs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Measured: TypeAlias = dict[str, float]
"""The result of one run: figure keys and values."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of a table; `digits` is the number of decimals shown."""

    key: str
    title: str
    digits: int = 0

    def show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a figure over several runs."""

    median: float
    least: float
    most: float
    values: tuple[float, ...]


def summarize(values: Sequence[float]) -> Summary:
    """Median and range. Three rounds allow no finer statistics; `values` must not be empty."""
    return Summary(median(values), min(values), max(values), tuple(values))


def summarize_runs(runs: Sequence[Measured]) -> dict[str, Summary]:
    """The summary of each figure that all `runs` have; runs without results (empty) are ignored."""
    whole = [run for run in runs if run]
    if not whole:
        return {}
    return {key: summarize([run[key] for run in whole]) for key in whole[0] if all(key in run for run in whole)}


def show(figure: Figure, summary: Summary | None) -> str:
    """A table cell: the median and, for several runs, the range."""
    if summary is None:
        return "-"
    if len(summary.values) == 1:
        return figure.show(summary.median)
    return f"{figure.show(summary.median)} ({figure.show(summary.least)}…{figure.show(summary.most)})"
