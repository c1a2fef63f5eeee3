"""Room topics: shown in the heading, edited with a key, completed and saved."""

import pytest

from chatterbox.wire import frames
from client.core import notes
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.text.sanitize import is_dangerous
from tests.unit.client.screen.harness import HOSTILE, running_screen
from tests.unit.client.world import ROOM


async def test_topic_is_shown_in_the_heading_beside_the_counts() -> None:
    async with running_screen() as ui:
        await ui.show(notes.TopicChange(ROOM, "Engines, and what drives them", "bob"))
        assert ui.pane("heading") == [" #general  Engines, and what drives them".ljust(71) + "1 active"]
        assert ui.timeline()[-2] == "-- bob set the topic of #general: Engines, and what"


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (20, 5)])
async def test_long_topic_is_cut_to_the_width_of_the_heading(size: tuple[int, int]) -> None:
    async with running_screen(size=size) as ui:
        await ui.show(notes.TopicChange(ROOM, "x" * 200))
        [heading] = ui.pane("heading")
        assert len(heading) <= size[0]
        assert heading.startswith(" #general")
        assert ("x…" in heading) is (size[0] >= 60)


async def test_control_characters_in_a_topic_do_not_reach_the_terminal() -> None:
    async with running_screen() as ui:
        for hostile in HOSTILE:
            await ui.show(notes.TopicChange(ROOM, hostile, hostile))
            await ui.press("alt+t")
            assert not any(map(is_dangerous, ui.everything()))


async def test_topic_key_edits_the_present_topic() -> None:
    async with running_screen() as ui:
        await ui.show(notes.TopicChange(ROOM, "Engines"))
        await ui.press("alt+t")
        await ui.type(" and steam")
        await ui.press("enter")
        assert ui.requested == [frames.SetTopic(id=0, room=ROOM, topic="Engines and steam")]


async def test_tab_after_the_topic_command_inserts_the_present_topic() -> None:
    async with running_screen() as ui:
        await ui.show(notes.TopicChange(ROOM, "Engines"))
        await ui.type("/topic ")
        await ui.press("tab")
        assert ui.text == "/topic Engines"


async def test_saved_topic_is_shown_before_there_is_a_connection() -> None:
    before = ChatModel("http://x", ROOM)
    update.apply(before, notes.TopicChange(ROOM, "Engines"))
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    async with running_screen(connect=False, model=model) as ui:
        await ui.settle()
        assert "Engines" in ui.pane("heading")[0]
