"""Before the welcome, the gateway is at least at the client's position in every room."""

from collections.abc import Sequence
from typing import cast

import pytest

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import history_api
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import ResumePoint
from chatterbox.wire.read_state import ReadState
from services.gateway.connections.hub import Hub
from services.gateway.connections.welcome import WelcomeSequence, _room_state
from services.gateway.core.room_stream import RoomStream
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed


def room(name: str) -> Room:
    info = history_api.RoomInfo(room_id=len(name), room=name, private=False, everyone=False, epoch="e", head=0)
    opened = Room(info)
    opened.open(RoomStream.at("e", 0, [], 10), "")
    return opened


class SlowFeed:
    """A feed during whose sync `member` enters a room."""

    def __init__(self, member: Member, entered: Room) -> None:
        self.synced: list[str] = []
        self._member = member
        self._entered = entered

    async def sync(self, rooms: Sequence[Room]) -> None:
        self.synced += [each.name for each in rooms]
        self._member.add_room(self._entered)


async def test_rooms_entered_during_the_sync_are_synced_too_and_each_only_once() -> None:
    ada = Member(1, "ada", TokenBucket.full(1, 1, 0))
    ada.add_room(room("ops"))
    feed = SlowFeed(ada, room("general"))
    welcome = WelcomeSequence(
        Hub(Limits(), 1, lambda: 0.0),
        cast("TokenVerifier", None),
        cast("Memberships", None),
        cast("RoomFeed", feed),
        cast("CatchUp", None),
        cast("ReadStateFeed", None),
        cast("LivePeople", None),
        cast("InboxFeed", None),
        server="",
        ping_s=1,
    )
    await welcome._sync_rooms(
        ada, {"ops": ResumePoint("e", 3), "general": ResumePoint("e", 4), "tea": ResumePoint("e", 5)}
    )
    assert feed.synced == ["ops", "general"]


class TestFirstPush:
    """Where the pushes of a room begin, for a connection that holds nothing of it."""

    def opened(self, messages: int) -> Room:
        ops = room("ops")
        ops.deliver(ops.opened.take("e", 1, [b"message"] * messages))
        return ops

    async def test_message_that_arrived_after_unread_ones_were_counted_is_pushed(self) -> None:
        state = _room_state(self.opened(5), None, ReadState(unread=2, counted=3), reset=False)
        assert (state.at.offset, state.head) == (3, 5)

    @pytest.mark.parametrize("counted", [0, 5, 7])
    async def test_pushes_begin_at_the_head_if_the_count_reaches_it_or_is_unknown(self, counted: int) -> None:
        state = _room_state(self.opened(5), None, ReadState(counted=counted), reset=False)
        assert (state.at.offset, state.head) == (5, 5)

    async def test_pushes_follow_what_the_client_holds_whatever_is_counted(self) -> None:
        state = _room_state(self.opened(5), ResumePoint("e", 4), ReadState(unread=2, counted=3), reset=False)
        assert (state.at.offset, state.head) == (4, 5)
