"""Between the model and the connection: what is measured, waited for and handed back."""

import asyncio

from chatterbox.wire import frames
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase, PendingCommand
from client.core.outbox_entry import OutboxEntry
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from tests.unit.client.screen.stage import Recorder, connected
from tests.unit.client.world import ROOM, message


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def shell(clock: Clock) -> tuple[ScreenRuntime, Recorder]:
    made, connection = ScreenRuntime(ChatModel("http://x", ROOM), now_s=clock), Recorder()
    made.connection = connection
    return made, connection


async def test_the_lag_is_the_time_that_a_ping_takes() -> None:
    clock = Clock()
    made, connection = shell(clock)
    made.show(connected())
    assert frames.Ping(id=0) in connection.done
    clock.now_s += 0.25
    made.show(notes.CommandAnswered(frames.Ping(id=1), frames.Pong(id=1)))
    assert made.model.status.lag_ms == 250


async def test_a_server_that_does_not_answer_is_silent_until_it_does() -> None:
    clock = Clock()
    made, connection = shell(clock)
    made.show(connected())
    send = frames.Send(id=7, room=ROOM, content="x")
    connection.state = ClientState(phase=ConnectionPhase.LIVE, pending={7: PendingCommand(send, by_person=False)})
    made.settle()
    clock.now_s += 4
    made.heed_silence()
    assert made.model.status.silent_s is None
    clock.now_s += 4
    made.heed_silence()
    assert made.model.status.silent_s == 8
    connection.state = ClientState(phase=ConnectionPhase.LIVE)
    made.show(notes.SendStored(OutboxEntry("k", ROOM, "x"), message(4).at))
    assert made.model.status.silent_s is None


async def test_the_wait_for_the_next_try_runs_down() -> None:
    clock = Clock()
    made, _ = shell(clock)
    made.show(notes.Disconnected("gone", 5.0, 0, was_live=True, known=False))
    clock.now_s += 2
    assert made.wait_s == 3
    clock.now_s += 20
    assert made.wait_s == 0


async def test_at_the_end_what_was_said_last_may_still_be_acked() -> None:
    made, connection = shell(Clock())
    made.begin(lambda: None)
    made.show(connected())
    connection.state = ClientState(phase=ConnectionPhase.LIVE, unsent={ROOM: (OutboxEntry("k", ROOM, "x"),)})
    made.settle()
    ending = asyncio.create_task(made.end(5))
    await asyncio.sleep(0)
    assert not connection.over.is_set()
    connection.state = ClientState(phase=ConnectionPhase.LIVE)
    made.settle()
    await ending
    assert connection.over.is_set()


async def test_the_end_of_the_connection_is_told() -> None:
    made, connection = shell(Clock())
    over = asyncio.Event()
    made.begin(over.set)
    connection.over.set()
    async with asyncio.timeout(5):
        await over.wait()
