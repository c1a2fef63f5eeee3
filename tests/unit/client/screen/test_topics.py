"""What a room is about, above its messages and under a key."""

import pytest

from chatterbox.wire import frames
from client.core import notes
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.text.sanitize import is_dangerous
from tests.unit.client.screen.harness import HOSTILE, running_screen
from tests.unit.client.world import ROOM


class TestTopics:
    async def test_stand_above_the_timeline_beside_what_is_known_of_the_room(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.TopicChange(ROOM, "Engines, and what drives them", "bob"))
            assert ui.pane("heading") == [" #general  Engines, and what drives them".ljust(71) + "1 active"]
            assert ui.timeline()[-2] == "-- bob set the topic of #general: Engines, and what"

    @pytest.mark.parametrize("size", [(60, 15), (80, 24), (20, 5)])
    async def test_take_no_more_room_than_there_is(self, size: tuple[int, int]) -> None:
        async with running_screen(size=size) as ui:
            await ui.show(notes.TopicChange(ROOM, "x" * 200))
            [heading] = ui.pane("heading")
            assert len(heading) <= size[0]
            assert heading.startswith(" #general")
            assert ("x…" in heading) is (size[0] >= 60)

    async def test_of_others_can_not_disturb_the_screen(self) -> None:
        async with running_screen() as ui:
            for hostile in HOSTILE:
                await ui.show(notes.TopicChange(ROOM, hostile, hostile))
                await ui.press("alt+t")
                assert not any(map(is_dangerous, ui.everything()))

    async def test_are_written_with_a_key_from_what_there_is(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.TopicChange(ROOM, "Engines"))
            await ui.press("alt+t")
            await ui.type(" and steam")
            await ui.press("enter")
            assert ui.requested == [frames.SetTopic(id=0, room=ROOM, topic="Engines and steam")]

    async def test_are_completed_to_what_there_is(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.TopicChange(ROOM, "Engines"))
            await ui.type("/topic ")
            await ui.press("tab")
            assert ui.text == "/topic Engines"

    async def test_are_there_before_there_is_a_connection(self) -> None:
        made = ChatModel("http://x", ROOM)
        update.apply(made, notes.TopicChange(ROOM, "Engines"))
        again = ChatModel("http://x", ROOM)
        restore_state(again, encode_state(made))
        async with running_screen(connect=False, model=again) as ui:
            await ui.settle()
            assert "Engines" in ui.pane("heading")[0]
