"""A pytest plugin, `-p tests.support.outcome --outcome FILE`, that writes a run's results for `python -m tests`."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import pytest

SLOWEST = 20
FORGETTABLE_S = 0.005
"""Shorter times are not listed, as by pytest's own --durations."""
_STAGES_OF_A_TEST = {"setup", "call", "teardown"}


@dataclass
class Outcome:
    """The results of one run of pytest."""

    failed: list[str] = field(default_factory=list)
    """Node ids, each once, in the order in which they failed."""
    passed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Failures outside of tests: errors of a collection, of pytest itself, or of a worker that crashed."""
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    """Seconds, stage and node id; the longest first, at most `SLOWEST`."""
    closing: str = ""
    """The last line that pytest prints."""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `OSError` or `ValueError` if the run ended before it was written."""
        said = json.loads(path.read_text())
        return cls(**{**said, "slowest": [tuple(each) for each in said["slowest"]]})


def slowest(times: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """The longest of these, the longest first."""
    return sorted((each for each in times if each[0] >= FORGETTABLE_S), key=lambda each: -each[0])[:SLOWEST]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcome", metavar="FILE", type=Path, help="write failed tests and times to this file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--outcome")
    if path is not None and not hasattr(config, "workerinput"):  # the workers of pytest-xdist report to their parent
        config.pluginmanager.register(_Recorder(path, config))


class _Recorder:
    def __init__(self, path: Path, config: pytest.Config) -> None:
        self._path = path
        self._config = config
        self._outcome = Outcome()
        self._times: list[tuple[float, str, str]] = []
        self._began_s = time.monotonic()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._outcome.broken.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self) -> None:
        self._outcome.broken.append("internal error")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when not in _STAGES_OF_A_TEST:  # a worker crashed, and its test with it
            self._outcome.broken.append(report.nodeid)
            return
        self._times.append((report.duration, report.when, report.nodeid))
        if report.failed and report.nodeid not in self._outcome.failed:
            self._outcome.failed.append(report.nodeid)
        if report.passed and report.when == "call":
            self._outcome.passed.append(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Written last: pytest's reporter counts what it shows in a wrapper within this one."""
        yield
        self._outcome.slowest = slowest(self._times)
        self._outcome.closing = self._closing_line()
        self._outcome.save(self._path)

    def _closing_line(self) -> str:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return ""
        counts, _ = reporter.build_summary_stats_line()
        return f"{', '.join(text for text, _ in counts)} in {time.monotonic() - self._began_s:.2f}s"
