"""Figures that nobody counts: they are looked up in the gateway's parts when they are scraped."""

from functools import partial

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.token_verifier import TokenVerifier
from services.gateway.connections.hub import Hub
from services.gateway.metrics import DependencyName, GatewayMetrics
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.broker_watchdog import BrokerWatchdog
from services.gateway.upstream.dependencies import Dependencies, Dependency


def watch(metrics: GatewayMetrics, hub: Hub, sends: AppendBatcher, verifier: TokenVerifier) -> None:
    """Who is here, and what waits."""
    metrics.connections.set_function(lambda: len(hub.connections))
    metrics.members.set_function(lambda: len(hub.members))
    metrics.rooms.set_function(lambda: len(hub.rooms))
    metrics.behind.set_function(lambda: len({behind for room in hub.rooms.values() for behind in room.behind}))
    metrics.sends_waiting.set_function(lambda: sends.waiting)
    metrics.revocations.set_function(lambda: verifier.revocations)


def watch_broker(metrics: GatewayMetrics, broker: Broker, hearing: BrokerWatchdog) -> None:
    """How well the broker is heard."""
    metrics.reconnects.set_function(lambda: broker.reconnects)
    metrics.canary_age_s.set_function(lambda: hearing.age_s)


def watch_parts(metrics: GatewayMetrics, parts: Dependencies) -> None:
    """What the gateway stands on."""
    for part in parts.all:
        metrics.parts[DependencyName(part.name)].set_function(partial(_answers, part))


def _answers(part: Dependency) -> bool:
    return not part.is_away
