"""Prometheus metrics of the gateway. Fan-out is counted per flush of a room, never per delivery."""

from enum import StrEnum

from chatterbox.chassis.observability.metrics import CALL_S, MESSAGES, TURN_S, Metrics
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code


class DependencyName(StrEnum):
    """The services that a gateway needs."""

    BROKER = "broker"
    AUTH = "auth"
    HISTORY = "history"


class GatewayMetrics:
    """Declares the gateway's metrics; the class that owns a gauge's value calls its `set_function`."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`, or in a registry that is never scraped."""
        self.metrics = metrics or Metrics("gateway")
        self._declare_connections(self.metrics)
        self._declare_messages(self.metrics)
        self._declare_recovery(self.metrics)
        self._declare_people(self.metrics)
        self._declare_encryption(self.metrics)
        self._declare_gauges(self.metrics)

    def _declare_connections(self, metrics: Metrics) -> None:
        self.handshakes_refused = metrics.counter_by(
            "handshakes_refused", "Connections refused before they were welcomed", "code", Code
        )
        self.opened = metrics.counter("connections_opened", "Connections accepted")
        self.closed = metrics.counter("connections_closed", "Connections closed, by either side")
        self.closes = metrics.counter_by("closes", "Connections closed by this gateway", "code", CloseCode)
        self.marked_behind = metrics.counter("marked_behind", "Times a connection fell behind")
        self.cut_off = metrics.counter(
            "stalled_connections_closed", "Connections cut off because the peer read nothing"
        )

    def _declare_messages(self, metrics: Metrics) -> None:
        self.sends_taken = metrics.counter("sends_taken", "Messages accepted and passed to history")
        self.changes_taken = metrics.counter("changes_taken", "Changes of messages accepted and passed to history")
        self.sends_refused = metrics.counter_by("sends_refused", "Messages and changes refused", "code", Code)
        self.acks = metrics.counter("acks", "Messages and changes acknowledged as stored")
        self.reads_taken = metrics.counter("reads_taken", "Reported read positions accepted")
        self.reads_stored = metrics.counter("reads_stored", "Read positions passed to history: one per user and room")
        self.reads_refused = metrics.counter_by("reads_refused", "Reported read positions refused", "code", Code)
        self.own_told = metrics.counter("own_told", "Read states written to other connections of the same user")
        self.message_bytes = metrics.counter_callback("message_bytes", "Bytes of messages received from the broker")
        self.deliveries = metrics.counter("deliveries", "Messages written to live connections")
        self.changes_delivered = metrics.counter("changes_delivered", "Changes of messages written to live connections")
        self.fan_out_s = metrics.histogram("fan_out_seconds", "Time to write messages to a room's connections", TURN_S)
        self.batch_messages = metrics.histogram("append_messages", "Messages per batch sent to history", MESSAGES)
        self.append_s = metrics.histogram("append_seconds", "Time until history answered a batch", CALL_S)

    def _declare_recovery(self, metrics: Metrics) -> None:
        self.gaps = metrics.counter("gaps_found", "Times a room was found to miss messages or changes")
        self.change_gaps = metrics.counter("change_gaps_found", "Times a room was found to miss changes")
        self.changes_filled = metrics.counter("gap_changes_filled", "Missing changes read from history")
        self.filled = metrics.counter("gap_messages_filled", "Missing messages read from history")
        self.unfilled = metrics.counter("gaps_unfilled", "Times history was unavailable to fill a gap")
        self.catch_up_pages = metrics.counter("catch_up_pages", "Pages read for connections that were behind")
        self.heads_failed = metrics.counter("heads_failed", "Comparisons of heads that history did not answer")
        self.read_states_failed = metrics.counter(
            "read_states_failed", "Calls for read states that history did not answer in time"
        )
        self.doubts = metrics.counter("broker_possible_losses", "Times the broker may have lost payloads")
        self.broker_silences = metrics.counter(
            "broker_silences", "Times the broker accepted canaries but delivered none"
        )
        self.reconnects = metrics.counter_callback("broker_reconnects", "Reconnects to the broker")

    def _declare_people(self, metrics: Metrics) -> None:
        self.signals_bytes = metrics.counter("signals_bytes", "Bytes of signals published: presence and typing")
        self.typing_dropped = metrics.counter("typing_dropped", "Signals of typing left out to save bytes")
        self.presence_frames = metrics.counter("presence_frames", "Frames with presence written to connections")
        self.typing_frames = metrics.counter("typing_frames", "Frames about typing written to connections")
        self.seen_frames = metrics.counter("seen_frames", "Frames with read receipts written to connections")
        self.signals_gather_s = metrics.gauge(
            "signals_gather_seconds", "Time for which changes of presence are gathered: 0.5 unless there are too many"
        )
        self.gateways_known = metrics.gauge("gateways_known", "Other gateways whose users are known here")
        self.watchers = metrics.gauge("watchers", "Connections that watch the presence of users")
        self.watched = metrics.gauge("watched_users", "Users whose presence is watched")

    def _declare_encryption(self, metrics: Metrics) -> None:
        self.to_device_pushed = metrics.counter("to_device_pushed", "To-device messages written to connections")
        self.key_commands_refused = metrics.counter_by(
            "key_commands_refused", "Commands about keys, recipients and inboxes refused", "code", Code
        )
        self.inboxes_open = metrics.gauge("inboxes_open", "Inboxes of devices that connections have open")

    def _declare_gauges(self, metrics: Metrics) -> None:
        self.connections = metrics.gauge("connections", "Live connections")
        self.members = metrics.gauge("members", "Users with a connection")
        self.rooms = metrics.gauge("rooms_open", "Rooms with a member connected here, now or recently")
        self.behind = metrics.gauge("connections_behind", "Connections that are catching up or read too slowly")
        self.sends_waiting = metrics.gauge("sends_waiting", "Messages queued for the next batch")
        self.reads_waiting = metrics.gauge("reads_waiting", "Read positions that wait to be passed to history")
        self.revocations = metrics.gauge("revocations", "Ended sessions whose tokens have not expired")
        self.dependency_up = metrics.gauge_by(
            "dependency_up", "1 while the dependency answers this gateway, otherwise 0", "dependency", DependencyName
        )
        self.canary_age_s = metrics.gauge("canary_age_seconds", "Time since the last canary was received")
        self.ready = metrics.gauge("ready", "1 while the gateway accepts connections, otherwise 0")
