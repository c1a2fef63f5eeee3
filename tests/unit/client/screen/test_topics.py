"""What a room is about, above its messages and under a key."""

import pytest

from chatterbox.wire import frames
from client.core import notes
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import recall, remember
from client.text.sanitize import is_dangerous
from tests.unit.client.screen.stage import HOSTILE, stage
from tests.unit.client.world import ROOM


class TestTopics:
    async def test_stand_above_the_timeline_beside_what_is_known_of_the_room(self) -> None:
        async with stage() as there:
            await there.show(notes.TopicChange(ROOM, "Engines, and what drives them", "bob"))
            assert there.pane("heading") == [" #general  Engines, and what drives them".ljust(72) + "1 heard"]
            assert there.timeline()[-2] == "-- bob set the topic of #general: Engines, and what"

    @pytest.mark.parametrize("size", [(60, 15), (80, 24), (20, 5)])
    async def test_take_no_more_room_than_there_is(self, size: tuple[int, int]) -> None:
        async with stage(size=size) as there:
            await there.show(notes.TopicChange(ROOM, "x" * 200))
            [heading] = there.pane("heading")
            assert len(heading) <= size[0]
            assert heading.startswith(" #general")
            assert ("x…" in heading) is (size[0] >= 60)

    async def test_of_others_can_not_disturb_the_screen(self) -> None:
        async with stage() as there:
            for hostile in HOSTILE:
                await there.show(notes.TopicChange(ROOM, hostile, hostile))
                await there.press("alt+t")
                assert not any(map(is_dangerous, there.everything()))

    async def test_are_written_with_a_key_from_what_there_is(self) -> None:
        async with stage() as there:
            await there.show(notes.TopicChange(ROOM, "Engines"))
            await there.press("alt+t")
            await there.type(" and steam")
            await there.press("enter")
            assert there.told == [frames.SetTopic(id=0, room=ROOM, topic="Engines and steam")]

    async def test_are_completed_to_what_there_is(self) -> None:
        async with stage() as there:
            await there.show(notes.TopicChange(ROOM, "Engines"))
            await there.type("/topic ")
            await there.press("tab")
            assert there.text == "/topic Engines"

    async def test_are_there_before_there_is_a_connection(self) -> None:
        made = ChatModel("http://x", ROOM)
        update.take(made, notes.TopicChange(ROOM, "Engines"))
        again = ChatModel("http://x", ROOM)
        recall(again, remember(made))
        async with stage(connect=False, model=again) as there:
            await there.settle()
            assert "Engines" in there.pane("heading")[0]
