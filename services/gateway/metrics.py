"""What an operator may want to know of a gateway. Fan-out is counted for each flush of a room, never for a delivery."""

from enum import StrEnum

from chatterbox.chassis.observability.metrics import CALL_S, MESSAGES, TURN_S, Metrics
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code


class DependencyName(StrEnum):
    """What a gateway stands on, by the names of `Parts`."""

    BROKER = "broker"
    AUTH = "auth"
    HISTORY = "history"


class GatewayMetrics:
    """Counters for the gateway's parts to count with; its gauges are read by `gauges.watch`."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`; without, in a registry that nobody sees."""
        self.metrics = metrics or Metrics("gateway")
        self._declare_connections(self.metrics)
        self._declare_messages(self.metrics)
        self._declare_healing(self.metrics)
        self._declare_gauges(self.metrics)

    def _declare_connections(self, metrics: Metrics) -> None:
        self.handshakes_refused = metrics.counter_by(
            "handshakes_refused", "Connections refused before or while they were greeted", "code", Code
        )
        self.opened = metrics.counter("connections_opened", "Connections that were welcomed")
        self.closed = metrics.counter("connections_closed", "Connections that are over, whoever ended them")
        self.closes = metrics.counter_by("closes", "Connections that this gateway closed", "code", CloseCode)
        self.marked_behind = metrics.counter("marked_behind", "Times that a connection fell behind")
        self.cut_off = metrics.counter("stuck_cut_off", "Connections cut off because their peer read nothing")

    def _declare_messages(self, metrics: Metrics) -> None:
        self.sends_taken = metrics.counter("sends_taken", "Messages taken in and passed to history")
        self.sends_refused = metrics.counter_by("sends_refused", "Messages refused", "code", Code)
        self.acks = metrics.counter("acks", "Messages whose sender was told that they are stored")
        self.deliveries = metrics.counter("deliveries", "Messages written to live connections")
        self.fan_out_s = metrics.histogram("fan_out_seconds", "Time to write messages to all who hear a room", TURN_S)
        self.batch_messages = metrics.histogram("append_messages", "Messages that went to history at once", MESSAGES)
        self.append_s = metrics.histogram("append_seconds", "Time until history answered a batch", CALL_S)

    def _declare_healing(self, metrics: Metrics) -> None:
        self.gaps = metrics.counter("gaps_found", "Times that a room was found to miss messages")
        self.filled = metrics.counter("gap_messages_filled", "Missing messages read from history")
        self.unfilled = metrics.counter("gaps_unfilled", "Times that history could not be asked for what is missing")
        self.catch_up_pages = metrics.counter("catch_up_pages", "Pages read for connections that were behind")
        self.heads_failed = metrics.counter("heads_failed", "Comparisons of heads that history did not answer")
        self.doubts = metrics.counter("broker_doubts", "Times that the broker may have lost payloads")
        self.times_deaf = metrics.counter("times_deaf", "Times that the broker took canaries and none came back")
        self.reconnects = metrics.counter_callback(
            "broker_reconnects", "Connections to the broker that were made again"
        )

    def _declare_gauges(self, metrics: Metrics) -> None:
        self.connections = metrics.gauge("connections", "Live connections")
        self.members = metrics.gauge("members", "Users with a connection")
        self.rooms = metrics.gauge("rooms_open", "Rooms that somebody here is in, or was a moment ago")
        self.behind = metrics.gauge("connections_behind", "Connections that are being caught up, or read too slowly")
        self.sends_waiting = metrics.gauge("sends_waiting", "Messages that wait for the batch before them")
        self.revocations = metrics.gauge("revocations", "Ended sessions whose tokens are not expired")
        self.parts = metrics.gauge_by(
            "part_up", "1 while that part answers this gateway, 0 while not", "part", DependencyName
        )
        self.canary_age_s = metrics.gauge("canary_age_seconds", "Time since this gateway heard itself by the broker")
        self.ready = metrics.gauge("ready", "1 while it takes connections, 0 while not")
