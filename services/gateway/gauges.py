"""Figures that nobody counts: they are looked up in the gateway's parts when they are scraped."""

from functools import partial

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.identity import Verifier
from services.gateway.hearing import Hearing
from services.gateway.hub import Hub
from services.gateway.metrics import GatewayMetrics, Needed
from services.gateway.parts import Part, Parts
from services.gateway.sends import Sends


def watch(metrics: GatewayMetrics, hub: Hub, sends: Sends, verifier: Verifier) -> None:
    """Who is here, and what waits."""
    metrics.connections.set_function(lambda: len(hub.connections))
    metrics.members.set_function(lambda: len(hub.members))
    metrics.rooms.set_function(lambda: len(hub.rooms))
    metrics.behind.set_function(lambda: len({behind for room in hub.rooms.values() for behind in room.behind}))
    metrics.sends_waiting.set_function(lambda: sends.waiting)
    metrics.revocations.set_function(lambda: verifier.revocations)


def watch_broker(metrics: GatewayMetrics, broker: Broker, hearing: Hearing) -> None:
    """How well the broker is heard."""
    metrics.reconnects.set_function(lambda: broker.reconnects)
    metrics.canary_age_s.set_function(lambda: hearing.age_s)


def watch_parts(metrics: GatewayMetrics, parts: Parts) -> None:
    """What the gateway stands on."""
    for part in parts.all:
        metrics.parts[Needed(part.name)].set_function(partial(_answers, part))


def _answers(part: Part) -> bool:
    return not part.is_away
