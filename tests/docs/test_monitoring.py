"""Alert rules, dashboard and runbook name only metrics and alerts that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.auth.metrics import AuthMetrics
from services.files.metrics import FilesMetrics
from services.gateway.metrics import GatewayMetrics
from services.history.metrics import HistoryMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = (DEPLOY / "monitoring" / "alerts.yml").read_text()
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())
RUNBOOK = (DEPLOY / "README.md").read_text()


def series() -> set[str]:
    """Every name that a service shows, as Prometheus stores it."""
    names: set[str] = set()
    for own in (AuthMetrics(), FilesMetrics(), GatewayMetrics(), HistoryMetrics()):
        for family in own.metrics.registry.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            names |= {family.name + suffix for suffix in suffixes if "_process_" not in family.name}
        names |= {f"chatterbox_{own.metrics.service}_process_{name}" for name in PROCESS}
    return names


PROCESS = ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds")
"""What there is of each service where it can be asked for: on Linux."""


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bchatterbox_[a-z_]+", expression))


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_alerts_name_metrics_that_exist() -> None:
    assert named(ALERTS)
    assert named(ALERTS) - series() == set()


def test_the_dashboard_names_metrics_that_exist() -> None:
    written_out = " ".join(expression for expression in expressions() if "__name__" not in expression)
    assert named(written_out) - series() == set()


def test_the_dashboard_shows_every_metric() -> None:
    hidden = {name for name in series() if not name.endswith(("_build_info", "_sum", "_count", "disk_bytes"))}
    assert hidden - named(" ".join(expressions())) == set()


def test_panels_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("alert", re.findall(r"- alert: (\w+)", ALERTS))
def test_the_runbook_says_what_each_alert_means(alert: str) -> None:
    assert f"| `{alert}` |" in RUNBOOK
