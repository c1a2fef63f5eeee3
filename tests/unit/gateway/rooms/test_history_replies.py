"""Replies with messages are as new as what was told while history answered, and say as of which rev they are."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.codec import decode_server_frame, encode
from chatterbox.wire.position import Position
from services.gateway.core import room_changes
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import history_replies
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_memory import RoomMemory
from services.gateway.upstream.history_client import HistoryClient
from tests.support.changed_messages import message

READER = cast("Member", object())
HEAD = 6
NOTHING: Callable[[], None] = lambda: None  # noqa: E731


class FakeHistory:
    """A history of six messages; `meanwhile` runs between its reading of a page and the answer, once."""

    def __init__(self, scene: "Scene") -> None:
        self.revs = dict.fromkeys(range(1, HEAD + 1), 0)
        self.readers: list[object] = []
        self.meanwhile: Callable[[], object] = NOTHING
        self.scene = scene
        self.epoch = "e"

    def restore(self) -> None:
        """Begin another epoch, from a backup without any change; the gateway has not noticed yet."""
        self.epoch = "f"
        self.revs = dict.fromkeys(self.revs, 0)

    def change(self, offset: int) -> None:
        """Change a message, and tell the gateway."""
        rev = self.rev + 1
        self.revs[offset] = rev
        changed = ChangedMessage(offset, rev, message(offset, rev), b"")
        self.scene.room.tell(self.scene.room.begin_changes().take("e", rev - 1, [changed]))
        self.scene.room.flush()

    @property
    def rev(self) -> int:
        return max(self.revs.values())

    async def page(self, room_id: int, limit: int, *, reader: object, **where: Any) -> history_api.StoredPage:
        self.readers.append(reader)
        offsets = [2, 5] if where.get("pinned") else range(1, 4)
        page = history_api.StoredPage(
            epoch=self.epoch,
            head=HEAD,
            first=offsets[0],
            frames=[msgspec.Raw(message(offset, self.revs[offset])) for offset in offsets],
            rev=self.rev,
            revs={offset: self.revs[offset] for offset in offsets if self.revs[offset]},
        )
        meanwhile, self.meanwhile = self.meanwhile, NOTHING
        meanwhile()
        await asyncio.sleep(0)
        return page

    async def changes(self, room_id: int, limit: int, *, after: int, first: int, reader: object) -> Any:
        self.readers.append(reader)
        changed = sorted((rev, offset) for offset, rev in self.revs.items() if rev > after and offset >= first)
        found = [history_api.StoredChange(each, rev, msgspec.Raw(message(each, rev))) for rev, each in changed]
        return history_api.StoredChanges(
            epoch="e", head=HEAD, rev=self.rev, through=found[limit - 1].rev, changes=found[:limit]
        )


class Scene:
    """A room whose memory has the last message only."""

    def __init__(self) -> None:
        info = history_api.RoomInfo(room_id=1, room="r", private=False, everyone=False, epoch="e", head=HEAD)
        self.room = Room(info)
        self.room.open(RoomStream.at("e", HEAD, [text_frame(message(HEAD))], 1), "")
        self.history = FakeHistory(self)
        self.client = cast("HistoryClient", self.history)
        self.memory = RoomMemory(self.client)

    async def read(self, **fields: Any) -> dict[str, Any]:
        command = frames.ReadHistory(id=1, room="r", **fields)
        return sent(await history_replies.history_reply(self.client, self.room, READER, command))

    async def join(self, since: int) -> dict[str, Any]:
        command = frames.Join(id=1, room="r", since=Position("e", since))
        return sent(await history_replies.join_reply(self.client, self.memory, self.room, READER, command, 50))

    async def changes(self, after: int, first: int = 1, limit: int = 200) -> dict[str, Any]:
        command = frames.ReadChanges(id=1, room="r", after=after, first=first, limit=limit)
        return sent(await history_replies.changes_reply(self.client, self.room, READER, command))


def sent(reply: frames.Reply) -> dict[str, Any]:
    """The reply as the client reads it."""
    decode_server_frame(encode(reply))
    decoded: dict[str, Any] = msgspec.json.decode(encode(reply))
    return decoded


def contents(reply: dict[str, Any]) -> list[str]:
    return [each["content"] for each in reply["messages"]]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_page_has_the_changes_that_were_told_while_history_answered(scene: Scene) -> None:
    scene.history.change(1)
    scene.history.meanwhile = lambda: scene.history.change(2)
    page = await scene.read(before=4)
    assert (contents(page), page["rev"]) == (["as of 1", "as of 2", "as of 0"], 2)


async def test_page_that_memory_cannot_set_right_is_read_again_and_counted_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)

    def meanwhile() -> None:
        for offset in (1, 2, 5):
            scene.history.change(offset)

    scene.history.meanwhile = meanwhile
    page = await scene.read(before=4)
    assert (contents(page), page["rev"]) == (["as of 1", "as of 2", "as of 0"], 3)
    assert scene.history.readers == [READER, None]


@pytest.mark.parametrize("where", [{"before": 4}, {"pinned": True}])
async def test_page_of_a_restored_backup_is_not_mixed_with_changes_from_before(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, where: dict[str, Any]
) -> None:
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)
    for offset in (5, 1, 2):
        scene.history.change(offset)
    scene.history.restore()
    async with asyncio.timeout(5):
        assert set(contents(await scene.read(**where))) == {"as of 0"}


async def test_page_of_pinned_messages_has_the_changes_that_were_told_while_history_answered(scene: Scene) -> None:
    scene.history.meanwhile = lambda: scene.history.change(5)
    page = await scene.read(pinned=True)
    assert (contents(page), page["rev"]) == (["as of 0", "as of 1"], 1)


async def test_pinned_messages_that_memory_cannot_set_right_are_read_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)

    def meanwhile() -> None:
        for offset in (5, 1, 3):
            scene.history.change(offset)

    scene.history.meanwhile = meanwhile
    assert contents(await scene.read(pinned=True)) == ["as of 0", "as of 1"]


async def test_page_from_memory_has_the_rev_that_was_told(scene: Scene) -> None:
    scene.history.change(HEAD)
    page = await scene.read(after=HEAD - 1)
    assert (contents(page), page["rev"], scene.history.readers) == (["as of 1"], 1, [])


async def test_page_of_a_room_without_changes_has_no_rev(scene: Scene) -> None:
    assert "rev" not in await scene.read(before=4)
    assert "rev" not in await scene.join(HEAD)


async def test_join_reply_has_the_changes_that_were_told_while_history_answered(scene: Scene) -> None:
    scene.history.meanwhile = lambda: scene.history.change(3)
    reply = await scene.join(0)
    assert (contents(reply), reply["rev"], reply["complete"]) == (["as of 0", "as of 0", "as of 1"], 1, False)


async def test_changes_in_memory_are_answered_from_it_in_pages(scene: Scene) -> None:
    for offset in (1, 2, 3, 1):
        scene.history.change(offset)
    page = await scene.changes(after=1, limit=2)
    assert [(each["after"], each["rev"]) for each in page["changes"]] == [(1, 2), (2, 3)]
    assert (page["through"], page["more"], scene.history.readers) == (3, True, [])
    page = await scene.changes(after=3, first=2)
    assert (page["changes"], page["through"], page["more"]) == ([], 4, False)


async def test_changes_older_than_memory_are_read_from_history(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)
    for offset in (1, 2, 3):
        scene.history.change(offset)
    page = await scene.changes(after=0, limit=2)
    assert [each["message"]["content"] for each in page["changes"]] == ["as of 1", "as of 2"]
    assert (page["through"], page["more"], scene.history.readers) == (2, True, [READER])


async def test_reply_has_no_change_that_was_not_told_here(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a late message could be pushed as it was before it, and a client that resumes after it would keep that."""
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)
    for offset in (1, 2, 3):
        scene.history.change(offset)
    scene.history.revs[4] = 4
    page = await scene.changes(after=0, limit=4)
    assert [each["rev"] for each in page["changes"]] == [1, 2, 3]
    assert (page["through"], page["more"]) == (3, False)
