"""The viewport, for any messages and steps."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from client.screen.layout.message_blocks import MessageBlocks
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.viewport import Viewport
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.scroll_position import BlockKey, message_key
from tests.unit.client.world import message

HEIGHT = 7
STEPS = st.lists(st.integers(-30, 30), max_size=15)


def room_blocks(count: int, *, first: int = 1, long: int = 7) -> MessageBlocks:
    room = RoomModel("general")
    for offset in range(first, first + count):
        text = "word " * (30 if offset % long == 0 else 1)
        room.log.add([msgspec.structs.replace(message(offset), content=text)])
    return MessageBlocks(room, RowStyle(50))


def everything(blocks: MessageBlocks) -> list[tuple[BlockKey, int]]:
    return [(blocks.key(index), number) for index in range(blocks.count) for number in range(len(blocks.rows(index)))]


def shown(view: Viewport, blocks: MessageBlocks) -> list[tuple[BlockKey, int]]:
    return [(line.key, line.number) for line in view.rows(blocks, HEIGHT)]


@given(st.integers(0, 40), STEPS)
def test_viewport_is_full_and_shows_consecutive_rows(count: int, steps: list[int]) -> None:
    blocks, view = room_blocks(count), Viewport()
    for step in steps:
        view.scroll(blocks, HEIGHT, step)
    every, visible = everything(blocks), shown(view, blocks)
    assert len(visible) == min(HEIGHT, len(every))
    at = every.index(visible[0])
    assert every[at : at + len(visible)] == visible


@given(st.integers(8, 40), st.integers(1, 200))
def test_scrolling_up_and_down_again_returns_to_the_same_rows(count: int, by: int) -> None:
    blocks, view = room_blocks(count), Viewport()
    view.scroll(blocks, HEIGHT, -10)
    before = shown(view, blocks)
    room_above = everything(blocks).index(before[0])
    view.scroll(blocks, HEIGHT, -min(by, room_above))
    view.scroll(blocks, HEIGHT, min(by, room_above))
    assert shown(view, blocks) == before


@given(st.integers(10, 40), st.integers(1, 30))
def test_new_messages_above_or_below_do_not_move_the_viewport(count: int, more: int) -> None:
    blocks, view = room_blocks(count, first=100), Viewport()
    view.scroll(blocks, HEIGHT, -5)
    before = shown(view, blocks)
    blocks.room.log.add([message(offset) for offset in range(100 - more, 100)])
    blocks.room.log.add([message(offset) for offset in range(100 + count, 100 + count + more)])
    assert shown(view, blocks)[1:] == before[1:]


def test_viewport_at_the_end_follows_new_messages() -> None:
    blocks, view = room_blocks(30), Viewport()
    view.scroll(blocks, HEIGHT, -9)
    assert not view.position.follows
    view.scroll(blocks, HEIGHT, 9)
    assert view.position.follows
    blocks.room.log.add([message(31)])
    assert shown(view, blocks)[-1] == (message_key(31), 0)


def test_show_scrolls_a_message_onto_the_screen() -> None:
    blocks, view = room_blocks(300), Viewport()
    view.show(blocks, HEIGHT, message_key(17))
    assert (message_key(17), 0) in shown(view, blocks)


def test_only_messages_on_the_screen_are_laid_out() -> None:
    blocks, view = room_blocks(2000), Viewport()
    view.rows(blocks, HEIGHT)
    view.show(blocks, HEIGHT, message_key(1000))
    assert len(blocks._cache) < 40
