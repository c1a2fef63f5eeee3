"""Which rows are on the screen: for any messages, any steps, and whatever comes in meanwhile."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from client.screen.layout.message_blocks import MessageBlocks
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.viewport import Viewport
from client.screen.model.room_model import RoomModel
from client.screen.model.scroll_position import BlockKey, message_key
from tests.unit.client.world import message

HEIGHT = 7
STEPS = st.lists(st.integers(-30, 30), max_size=15)


def blocks(count: int, *, first: int = 1, long: int = 7) -> MessageBlocks:
    room = RoomModel("general")
    for offset in range(first, first + count):
        text = "word " * (30 if offset % long == 0 else 1)
        room.log.add([msgspec.structs.replace(message(offset), content=text)])
    return MessageBlocks(room, RowStyle(50))


def everything(made: MessageBlocks) -> list[tuple[BlockKey, int]]:
    return [(made.key(index), number) for index in range(made.count) for number in range(len(made.rows(index)))]


def shown(view: Viewport, made: MessageBlocks) -> list[tuple[BlockKey, int]]:
    return [(line.key, line.number) for line in view.rows(made, HEIGHT)]


@given(st.integers(0, 40), STEPS)
def test_the_screen_is_full_and_a_piece_of_the_whole(count: int, steps: list[int]) -> None:
    made, view = blocks(count), Viewport()
    for step in steps:
        view.scroll(made, HEIGHT, step)
    whole, seen = everything(made), shown(view, made)
    assert len(seen) == min(HEIGHT, len(whole))
    at = whole.index(seen[0])
    assert whole[at : at + len(seen)] == seen


@given(st.integers(8, 40), st.integers(1, 200))
def test_up_and_down_again_is_where_one_was(count: int, by: int) -> None:
    made, view = blocks(count), Viewport()
    view.scroll(made, HEIGHT, -10)
    before = shown(view, made)
    room_above = everything(made).index(before[0])
    view.scroll(made, HEIGHT, -min(by, room_above))
    view.scroll(made, HEIGHT, min(by, room_above))
    assert shown(view, made) == before


@given(st.integers(10, 40), st.integers(1, 30))
def test_nothing_moves_by_what_comes_above_or_below(count: int, more: int) -> None:
    made, view = blocks(count, first=100), Viewport()
    view.scroll(made, HEIGHT, -5)
    before = shown(view, made)
    made.room.log.add([message(offset) for offset in range(100 - more, 100)])
    made.room.log.add([message(offset) for offset in range(100 + count, 100 + count + more)])
    assert shown(view, made)[1:] == before[1:]


def test_at_the_end_it_follows() -> None:
    made, view = blocks(30), Viewport()
    view.scroll(made, HEIGHT, -9)
    assert not view.position.follows
    view.scroll(made, HEIGHT, 9)
    assert view.position.follows
    made.room.log.add([message(31)])
    assert shown(view, made)[-1] == (message_key(31), 0)


def test_a_message_is_brought_onto_the_screen() -> None:
    made, view = blocks(300), Viewport()
    view.show(made, HEIGHT, message_key(17))
    assert (message_key(17), 0) in shown(view, made)


def test_only_what_is_looked_at_is_laid_out() -> None:
    made, view = blocks(2000), Viewport()
    view.rows(made, HEIGHT)
    view.show(made, HEIGHT, message_key(1000))
    assert len(made._cache) < 40
