"""What a gateway knows and tells of people who are here: presence, profiles, typing and receipts, as one part."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, assert_never, cast

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.wire import frames
from chatterbox.wire.broker_events import BeatWanted, PersonChanged, PresenceBeat, PresenceChanged, UserTyping
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Privacy
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.presence.receipt_feed import ReceiptFeed
from services.gateway.presence.typing_feed import TypingFeed
from services.gateway.presence.watch_feed import WatchFeed, WatchingConnection
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.settings import GatewaySettings
from services.gateway.upstream.history_client import HistoryClient
from services.gateway.upstream.signal_channel import SignalChannel


class LivePeople:
    """Passes what happens to connections, users and rooms on to whom it concerns."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        limits: Limits,
        members: Mapping[int, Member],
        feed: RoomFeed,
        history: HistoryClient,
        broker: Broker,
        channel: SignalChannel,
        clock: Callable[[], float],
        now_s: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`clock` is monotonic seconds, `now_s` seconds since 1970."""
        self._looks: LookRegistry[WatchingConnection] = LookRegistry()
        beat_s = settings.presence_beat_s
        self._presence = PresenceFeed(
            channel,
            history,
            clock,
            grace_s=settings.presence_grace_s,
            beat_s=beat_s,
            settle_s=0 if isinstance(broker, MemoryBroker) else beat_s,  # in one process there is no other gateway
            message_bytes=lambda: feed.payload_bytes,
            metrics=metrics,
        )
        self._watches = WatchFeed(members, self._presence, history, now_s, metrics)
        self._typing = TypingFeed(self._looks, feed.rooms, channel, limits, clock, metrics)
        self._receipts = ReceiptFeed(self._looks, feed.rooms, history, metrics)
        feed.watch_messages(self._typing.table.rooms, self._typing.on_messages)

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """The periodic work."""
        return {
            "presence": self._presence.run(),
            "watches": self._watches.run(),
            "profiles": self._watches.read_profiles(),
            "typing": self._typing.run(),
            "receipts": self._receipts.run(),
        }

    async def end(self) -> None:
        """Tell the other gateways that this one stops."""
        await self._presence.end()

    async def close(self) -> None:
        await self._watches.close()
        await self._typing.close()
        await self._receipts.close()

    # Connections

    def open(self, connection: WatchingConnection, member: Member, sid: str) -> None:
        """A connection is welcomed."""
        self._presence.open(member.user_id, sid, connection, hidden=not member.privacy.presence)

    def close_connection(self, connection: WatchingConnection, member: Member, sid: str) -> None:
        """A connection of a user is closed."""
        self._presence.close(member.user_id, sid, connection)
        self._watches.forget(connection)
        self._end_look(connection)

    def end_sessions(self, sids: Collection[str]) -> None:
        """Login sessions have ended, and their connections are closed."""
        self._presence.end_sessions(sids)

    def send_missed(self, connection: WatchingConnection) -> None:
        """Tell a connection whose socket is no longer full what it was not told meanwhile."""
        self._watches.send_missed(connection)
        self._typing.send_missed(connection)
        self._receipts.send_missed(connection)

    # Commands

    def set_away(self, connection: WatchingConnection, member: Member, *, away: bool) -> None:
        self._presence.set_away(member.user_id, connection, away=away)

    async def watch(self, connection: WatchingConnection, member: Member, command: frames.Watch) -> frames.Watched:
        """Watch users; raises `ChatError`."""
        return await self._watches.watch(connection, member, command)

    def type(self, member: Member, room: Room) -> None:
        self._typing.type(member, room)

    def look(self, connection: WatchingConnection, room: Room | None) -> None:
        """A connection looks at this room, which its user is in; None: at none."""
        self._end_look(connection)
        if room is not None:
            self._looks.look(connection, room.room_id)
            self._typing.begin_look(connection, room.room_id)
            self._receipts.begin_look(connection, room)

    def _end_look(self, connection: WatchingConnection) -> None:
        self._looks.look(connection, None)
        self._typing.forget(connection)
        self._receipts.forget(connection)

    # Events

    def on_signal(self, signal: PresenceChanged | PresenceBeat | BeatWanted | UserTyping) -> None:
        match signal:
            case PresenceChanged() | PresenceBeat() | BeatWanted():
                self._presence.on_signal(signal)
            case UserTyping():
                self._typing.on_signal(signal)
            case _:
                assert_never(signal)

    def on_possible_loss(self) -> None:
        """The broker may have lost signals."""
        self._presence.on_possible_loss()

    def on_read(self, room_id: int, username: str, offset: int) -> None:
        """A user whom others may be told of has read a room up to `offset`."""
        self._receipts.note(room_id, username, offset)

    def on_person(self, change: PersonChanged) -> None:
        """A user changed their profile or their privacy."""
        self.on_privacy(change.user_id, change.username, change.privacy)
        self._watches.on_person(change)

    def on_privacy(self, user_id: int, username: str, privacy: Privacy) -> None:
        """The privacy of a user was changed, or read from history."""
        self._presence.hide(user_id, hidden=not privacy.presence)
        if not (privacy.presence and privacy.typing):
            self._typing.table.end_everywhere(username)

    def on_left(self, room: Room, username: str, member: Member | None) -> None:
        """A user is no longer in a room: they don't type there, and their connections don't look at it."""
        self._typing.table.end(room.room_id, username)
        for connection in cast("set[WatchingConnection]", member.connections) if member is not None else ():
            if self._looks.room_of(connection) == room.room_id:
                self._end_look(connection)

    def on_reloaded(self) -> None:
        """Events about people may have been lost."""
        self._watches.recheck()
