"""The runtime: measurements, the countdown to the next attempt, and stopping."""

import asyncio

from chatterbox.wire import frames
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase, PendingCommand
from client.core.message_changes import ChangeProgress, HeldMessages
from client.core.message_stream import MessageStream
from client.core.outbox_entry import OutboxEntry
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from tests.unit.client.screen.harness import RecordingConnection, welcome_note
from tests.unit.client.world import ROOM, message


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


def opened(clock: Clock) -> tuple[ScreenRuntime, RecordingConnection]:
    runtime, connection = ScreenRuntime(ChatModel("http://x", ROOM), now_s=clock), RecordingConnection()
    runtime.use_connection(connection)
    return runtime, connection


async def test_lag_is_the_round_trip_time_of_a_ping() -> None:
    clock = Clock()
    runtime, connection = opened(clock)
    runtime.show(welcome_note())
    assert frames.Ping(id=0) in connection.requested
    clock.advance(0.25)
    runtime.show(notes.CommandAnswered(frames.Ping(id=1), frames.Pong(id=1)))
    assert runtime.model.status.lag_ms == 250


async def test_silence_of_the_server_is_measured_until_it_answers() -> None:
    clock = Clock()
    runtime, connection = opened(clock)
    runtime.show(welcome_note())
    send = frames.Send(id=7, room=ROOM, content="x")
    pending = {7: PendingCommand(send, by_person=False)}
    connection.set_state(ClientState(phase=ConnectionPhase.LIVE, pending=pending))
    runtime.settle()
    clock.advance(4)
    runtime.check_response()
    assert runtime.model.status.silent_s is None
    clock.advance(4)
    runtime.check_response()
    assert runtime.model.status.silent_s == 8
    connection.set_state(ClientState(phase=ConnectionPhase.LIVE))
    runtime.show(notes.SendStored(OutboxEntry("k", ROOM, "x"), message(4).at))
    assert runtime.model.status.silent_s is None


async def test_time_until_the_next_attempt_counts_down_to_zero() -> None:
    clock = Clock()
    runtime, _ = opened(clock)
    runtime.show(notes.Disconnected("gone", 5.0, 0, was_live=True, repeated=False))
    clock.advance(2)
    assert runtime.retry_in_s == 3
    clock.advance(20)
    assert runtime.retry_in_s == 0


async def test_stop_waits_for_acks_of_unsent_messages() -> None:
    runtime, connection = opened(Clock())
    runtime.start(lambda: None)
    runtime.show(welcome_note())
    unsent = {ROOM: (OutboxEntry("k", ROOM, "x"),)}
    connection.set_state(ClientState(phase=ConnectionPhase.LIVE, unsent=unsent))
    runtime.settle()
    stopping = asyncio.create_task(runtime.stop(5))
    await asyncio.sleep(0)
    assert not connection.over.is_set()
    connection.set_state(ClientState(phase=ConnectionPhase.LIVE))
    runtime.settle()
    await stopping
    assert connection.over.is_set()


async def test_end_of_the_connection_is_reported() -> None:
    runtime, connection = opened(Clock())
    ended = asyncio.Event()
    runtime.start(ended.set)
    connection.over.set()
    async with asyncio.timeout(5):
        await ended.wait()


def test_core_is_told_what_the_screen_holds_and_the_screen_keeps_up_to_which_rev() -> None:
    runtime, connection = opened(Clock())
    runtime.show(welcome_note("ops"))
    runtime.show(notes.RoomEntered(ROOM, (message(2), message(3))))
    stream = MessageStream(message(3).at, changes=ChangeProgress(rev=7))
    connection.set_state(ClientState(phase=ConnectionPhase.LIVE, streams={ROOM: stream}))
    assert connection.held() == {ROOM: HeldMessages(2, "e1", 7)}
