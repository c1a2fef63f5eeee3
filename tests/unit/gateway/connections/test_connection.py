"""Refusals of a connection are bounded, and beyond its rate it is read more slowly."""

import pytest

from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import frames
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import FRAMES_BEFORE_TOKEN, OVERSHOOT, AsyncCommand, Connection
from tests.support.recording_socket import RecordingSocket

PING = b'{"type": "ping", "id": 1}'


class Harness:
    """A connection whose commands are counted, or refused with `problem`."""

    def __init__(self, limits: Limits) -> None:
        self.now_s = 0.0
        self.run = 0
        self.problem: ChatError | None = None
        self.socket = RecordingSocket()
        self.connection = Connection(
            self.socket, "127.0.0.1", "c1", limits, lambda: self.now_s, self._dispatch, lambda _: None, TaskSet()
        )

    def _dispatch(self, connection: Connection, command: frames.Command) -> AsyncCommand | None:
        if self.problem is not None:
            raise self.problem
        self.run += 1
        return None

    def welcome(self) -> "Harness":
        self.connection.open(on_writable=lambda _: None)
        return self

    @property
    def refusals(self) -> list[str]:
        return [each.code for each in self.socket.frames if isinstance(each, frames.ErrorFrame)]


@pytest.fixture
def harness() -> Harness:
    return Harness(Limits(commands_burst=10, commands_per_s=50)).welcome()


def test_modest_overshoot_is_refused_without_delay(harness: Harness) -> None:
    for _ in range(10 + OVERSHOOT.burst):
        harness.connection.on_text(PING)
    assert (harness.run, harness.refusals) == (10, ["rate_limited"] * OVERSHOOT.burst)
    assert harness.socket.delays_s == []


def test_further_commands_run_and_delay_reading_until_the_rate_allows_the_next(harness: Harness) -> None:
    for _ in range(10 + OVERSHOOT.burst):
        harness.connection.on_text(PING)
    for _ in range(100):
        harness.connection.on_text(PING)
        harness.now_s += sum(harness.socket.delays_s)
        harness.socket.delays_s.clear()
    assert harness.run == pytest.approx(10 + 100, abs=5)
    assert harness.now_s == pytest.approx(100 / 50, abs=0.1)
    assert harness.socket.closed is None


def test_only_one_command_runs_in_advance(harness: Harness) -> None:
    for _ in range(10 + OVERSHOOT.burst + 5):
        harness.connection.on_text(PING)
    assert (harness.run, len(harness.refusals)) == (11, OVERSHOOT.burst + 4)
    assert len(harness.socket.delays_s) == 5


class TestRefusals:
    def test_hundredth_within_a_minute_closes_the_connection(self) -> None:
        harness = Harness(Limits()).welcome()
        harness.problem = ChatError(Code.CONTENT_EMPTY)
        for _ in range(99):
            harness.connection.on_text(PING)
        assert harness.socket.closed is None
        harness.connection.on_text(PING)
        assert (str(harness.socket.closed), len(harness.refusals)) == (str(CloseCode.TOO_MANY_REFUSALS), 100)

    def test_refusals_that_are_far_apart_close_nothing(self) -> None:
        harness = Harness(Limits()).welcome()
        harness.problem = ChatError(Code.CONTENT_EMPTY)
        for _ in range(300):
            harness.connection.on_text(PING)
            harness.now_s += 0.7
        assert harness.socket.closed is None

    @pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL])
    def test_refusals_that_are_the_servers_fault_close_nothing(self, code: Code) -> None:
        harness = Harness(Limits()).welcome()
        harness.problem = ChatError(code)
        for _ in range(150):
            harness.connection.on_text(PING)
        assert (harness.socket.closed, len(harness.refusals)) == (None, 150)

    def test_few_refusals_before_the_token_close_the_connection(self) -> None:
        harness = Harness(Limits())
        harness.problem = ChatError(Code.TOKEN_MISSING)
        for _ in range(FRAMES_BEFORE_TOKEN + 5):
            harness.connection.on_text(PING)
        assert (harness.socket.closed, harness.refusals) == (
            CloseCode.TOKEN_REFUSED,
            ["token_missing"] * FRAMES_BEFORE_TOKEN,
        )
