"""The profile `monitoring`: Prometheus scrapes every service and evaluates all rules and dashboard queries."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.containers.conftest import GATEWAYS
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.stack import ROOT, Stack
from tests.support.waiting import wait_until

MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
READY_S = 60


class Prometheus:
    """A client of a running Prometheus."""

    def __init__(self, port: int) -> None:
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, verify=NO_TLS, timeout=10
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """The answer's data; an error or a warning fails the test."""
        answer = self._http.get(path, params=parameters).json()
        assert answer["status"] == "success", (parameters, answer)
        assert "warnings" not in answer, (parameters, answer)
        return answer["data"]

    def targets(self) -> Counter[tuple[str, str]]:
        """The number of targets of each job that are up, down or unknown; empty while Prometheus does not answer."""
        try:
            found = self.ask("/targets", state="active")["activeTargets"]
        except (httpx.HTTPError, ValueError):
            return Counter()
        return Counter((each["labels"]["job"], each["health"]) for each in found)

    def rules(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.ask("/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def prometheus(stack: Stack, prometheus_image: str) -> Iterator[Prometheus]:
    """The containers of the profile `monitoring`, beside the deployment that the tests share; removed at the end."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHATTERBOX_PROMETHEUS", prometheus_image)
        patch.setenv("CHATTERBOX_PROMETHEUS_PORT", str(port))
        with beside(stack):
            prometheus = Prometheus(port)
            yield prometheus
            prometheus.close()


@contextmanager
def beside(stack: Stack) -> Iterator[None]:
    monitoring = ("--profile", "monitoring")
    try:
        stack.run(*monitoring, "up", "--detach", "--no-deps", "prometheus")
        yield
    finally:
        stack.run(*monitoring, "rm", "--stop", "--force", "prometheus")
        stack.engine("volume", "rm", "--force", f"{stack.project}_prometheus-data")


def test_prometheus_scrapes_every_service_and_each_gateway(prometheus: Prometheus) -> None:
    everything = Counter({("auth", "up"): 1, ("files", "up"): 1, ("history", "up"): 1, ("gateway", "up"): GATEWAYS})
    wait_until(lambda: prometheus.targets() == everything, lambda: str(prometheus.targets()), READY_S, look_s=0.5)


def test_prometheus_evaluates_every_rule_without_an_error(prometheus: Prometheus) -> None:
    wait_until(
        lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()),
        "every rule is evaluated",
        READY_S,
        look_s=0.5,
    )
    assert [rule["name"] for rule in prometheus.rules()] == ALERTS
    assert {rule["name"]: rule.get("lastError") for rule in prometheus.rules() if rule["health"] != "ok"} == {}


def test_every_dashboard_panel_has_queries_that_prometheus_can_evaluate(prometheus: Prometheus) -> None:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert asked
    for expression in asked:
        prometheus.ask("/query", query=re.sub(r"\$__(rate_)?interval|\$__range", "1m", expression))
