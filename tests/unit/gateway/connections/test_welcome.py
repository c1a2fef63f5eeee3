"""Before the welcome, the gateway is at least at the client's position in every room."""

from collections.abc import Sequence
from typing import cast

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import history_api
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import ResumePoint
from services.gateway.connections.hub import Hub
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.core.room_stream import RoomStream
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
        server="",
        ping_s=1,
    )
    await welcome._sync_rooms(
        ada, {"ops": ResumePoint("e", 3), "general": ResumePoint("e", 4), "tea": ResumePoint("e", 5)}
    )
    assert feed.synced == ["ops", "general"]
