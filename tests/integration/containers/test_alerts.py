"""The alert rules, tested with promtool: each fires for its series, and none for normal ones."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import docker
from tests.support.stack import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text())

STEADY, RISING = "0+0x240", "0+1x240"
GATEWAY = 'instance="gateway:8000",job="gateway"'
FIRING: dict[str, dict[str, str]] = {
    "ServiceDown": {'up{instance="auth:8000",job="auth"}': STEADY},
    "NoGateway": {f"chatterbox_gateway_ready{{{GATEWAY}}}": STEADY},
    "GatewayNotReady": {f"chatterbox_gateway_ready{{{GATEWAY}}}": STEADY},
    "DependencyDown": {f'chatterbox_gateway_dependency_up{{dependency="redis",{GATEWAY}}}': STEADY},
    "AcksFailing": {f'chatterbox_gateway_sends_refused_total{{code="unavailable",{GATEWAY}}}': RISING},
    "KeysFailing": {f'chatterbox_gateway_key_commands_refused_total{{code="unavailable",{GATEWAY}}}': RISING},
    "CommitsFailing": {"chatterbox_history_commits_failed_total": RISING},
    "CommitSlow": {
        'chatterbox_history_commit_seconds_bucket{le="0.5"}': STEADY,
        'chatterbox_history_commit_seconds_bucket{le="1"}': RISING,
        'chatterbox_history_commit_seconds_bucket{le="+Inf"}': RISING,
    },
    "BacklogGrows": {"chatterbox_history_backlog_messages": "10001+0x240"},
    "GapsUnfilled": {f"chatterbox_gateway_gaps_unfilled_total{{{GATEWAY}}}": RISING},
    "HeadsUnknown": {f"chatterbox_gateway_heads_failed_total{{{GATEWAY}}}": RISING},
    "BehindRising": {
        f"chatterbox_gateway_connections_behind{{{GATEWAY}}}": RISING,
        f"chatterbox_gateway_connections{{{GATEWAY}}}": "100+0x240",
    },
    "BrokerDoubts": {f"chatterbox_gateway_broker_possible_losses_total{{{GATEWAY}}}": RISING},
    "GatewayDeaf": {f"chatterbox_gateway_broker_silences_total{{{GATEWAY}}}": RISING},
    "SignalsCostly": {
        f"chatterbox_gateway_signals_bytes_total{{{GATEWAY}}}": "0+600000x240",
        f"chatterbox_gateway_message_bytes_total{{{GATEWAY}}}": RISING,
    },
    "FanOutSlow": {
        f'chatterbox_gateway_fan_out_seconds_bucket{{le="0.1",{GATEWAY}}}': STEADY,
        f'chatterbox_gateway_fan_out_seconds_bucket{{le="+Inf",{GATEWAY}}}': RISING,
        f'chatterbox_gateway_fan_out_seconds_bucket{{le="0.25",{GATEWAY}}}': RISING,
    },
    "DiskFilling": {
        "chatterbox_history_disk_free_bytes": "9+0x240",
        "chatterbox_history_disk_bytes": "100+0x240",
    },
    "DatabaseDamaged": {"chatterbox_history_database_damaged": "1+0x240"},
    "BallastGivenUp": {"chatterbox_auth_disk_reserve_missing_bytes": "1048576+0x240"},
    "LoginsQueue": {"chatterbox_auth_hashes_refused_total": RISING},
    "ScannerDown": {'chatterbox_files_scans_total{outcome="failed"}': RISING},
    "FilesDiskFilling": {"chatterbox_files_disk_free_bytes": "19+0x240", "chatterbox_files_disk_bytes": "100+0x240"},
    "FilesUnnamed": {"chatterbox_files_unnamed_total": RISING},
}
"""For each alert, series that make it fire: a value every 15 seconds for an hour."""
QUIET = {
    'up{instance="auth:8000",job="auth"}': "1+0x240",
    f"chatterbox_gateway_ready{{{GATEWAY}}}": "1+0x240",
    f'chatterbox_gateway_dependency_up{{dependency="redis",{GATEWAY}}}': "1+0x240",
    f'chatterbox_gateway_sends_refused_total{{code="unavailable",{GATEWAY}}}': STEADY,
    f'chatterbox_gateway_sends_refused_total{{code="rate_limited",{GATEWAY}}}': RISING,
    "chatterbox_history_commits_failed_total": STEADY,
    'chatterbox_history_commit_seconds_bucket{le="0.5"}': RISING,
    'chatterbox_history_commit_seconds_bucket{le="+Inf"}': RISING,
    "chatterbox_history_backlog_messages": "100+0x240",
    f"chatterbox_gateway_connections_behind{{{GATEWAY}}}": "50+0x240",
    f"chatterbox_gateway_connections{{{GATEWAY}}}": "100+0x240",
    "chatterbox_history_disk_free_bytes": "50+0x240",
    "chatterbox_history_database_damaged": STEADY,
    "chatterbox_auth_disk_reserve_missing_bytes": STEADY,
    "chatterbox_history_disk_reserve_missing_bytes": STEADY,
    "chatterbox_history_disk_bytes": "100+0x240",
    'chatterbox_files_scans_total{outcome="failed"}': STEADY,
    "chatterbox_files_disk_free_bytes": "50+0x240",
    "chatterbox_files_disk_bytes": "100+0x240",
    "chatterbox_files_unnamed_total": "0+0x120 50+0x120",
}


def promtool(image: str, folder: Path, *arguments: str) -> str:
    mounts = ("--volume", f"{MONITORING}:/etc/prometheus:ro", "--volume", f"{folder}:/given:ro")
    run = ("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "promtool", *mounts)
    done = docker(*run, image, *arguments)
    if done.returncode == 127:
        pytest.skip("this image of Prometheus has no promtool")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_has_series_that_make_it_fire() -> None:
    assert FIRING.keys() == set(ALERTS)


def test_promtool_accepts_the_rules_and_the_configuration(prometheus_image: str, tmp_path: Path) -> None:
    said = promtool(prometheus_image, tmp_path, "check", "config", "/etc/prometheus/prometheus.yml")
    assert f"SUCCESS: {len(ALERTS)} rules found" in said


def test_each_alert_fires_for_its_series_and_none_for_normal_ones(prometheus_image: str, tmp_path: Path) -> None:
    tests = [
        evaluated(series, f'count(ALERTS{{alertname="{name}",alertstate="firing"}})', 1)
        for name, series in FIRING.items()
    ]
    tests.append(evaluated(QUIET, 'count(ALERTS{alertstate=~".+"})', None))
    given = {"rule_files": ["/etc/prometheus/alerts.yml"], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "tests.json").write_text(json.dumps(given))
    assert "SUCCESS" in promtool(prometheus_image, tmp_path, "test", "rules", "/given/tests.json")


def evaluated(series: dict[str, str], expression: str, value: int | None) -> dict[str, Any]:
    """A test for `promtool`: with these series, the expression has this value after 50 minutes; None: no value."""
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "50m", "exp_samples": samples}],
    }
