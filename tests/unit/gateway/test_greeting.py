"""Before somebody is told where a room stands, this gateway is as far as they are: in every room, whenever entered."""

from collections.abc import Sequence
from typing import cast

from chatterbox.chassis.bucket import Bucket
from chatterbox.chassis.identity import Verifier
from chatterbox.wire import store
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.gateway.catch_up import CatchUp
from services.gateway.feed import Feed
from services.gateway.greeting import Greeting
from services.gateway.hub import Hub
from services.gateway.member import Member
from services.gateway.memberships import Memberships
from services.gateway.room import Room
from services.gateway.stream import Stream


def room(name: str) -> Room:
    info = store.RoomInfo(room_id=len(name), room=name, private=False, everyone=False, epoch="e", head=0)
    opened = Room(info)
    opened.stream = Stream.at("e", 0, [], 10)
    return opened


class Slow:
    """A feed that takes its time to reach what history has: `member` comes into a room meanwhile."""

    def __init__(self, member: Member, entered: Room) -> None:
        self.asked: list[str] = []
        self._member = member
        self._entered = entered

    async def reach(self, rooms: Sequence[Room]) -> None:
        self.asked += [each.name for each in rooms]
        self._member.rooms[self._entered.name] = self._entered


async def test_a_room_entered_while_others_are_read_is_read_as_well_and_each_of_them_once() -> None:
    ada = Member(1, "ada", Bucket.full(1, 1, 0))
    ada.rooms["ops"] = room("ops")
    feed = Slow(ada, room("general"))
    greeting = Greeting(
        Hub(Limits(), 1, lambda: 0.0),
        cast("Verifier", None),
        cast("Memberships", None),
        cast("Feed", feed),
        cast("CatchUp", None),
        server="",
        ping_s=1,
    )
    await greeting._reach(ada, {"ops": Position("e", 3), "general": Position("e", 4), "tea": Position("e", 5)})
    assert feed.asked == ["ops", "general"]
