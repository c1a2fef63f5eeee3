"""The connection over real sockets, against a scripted server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from chatterbox.wire import frames
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position, ResumePoint
from client.core import events, notes
from client.net.chat_connection import MAX_OUTGOING
from tests.support.waiting import MOST_S, until
from tests.unit.client.twin import Line, Person, twin
from tests.unit.client.world import message, room_state


def ack(send: frames.Send, offset: int) -> frames.Sent:
    at = Position("e1", offset)
    return frames.Sent(id=send.id, room=send.room, at=at, message_id=offset, timestamp="2026-11-23T10:00:00.000Z")


async def nobody(_: ServerConnection) -> None:
    """A handler that is never reached."""


@asynccontextmanager
async def refusing(*, retry_after_s: float) -> AsyncIterator[str]:
    """A server that refuses every handshake; its address."""
    body = f'{{"code": "too_many_connections", "detail": "Too many.", "retry_after_s": {retry_after_s}}}'.encode()

    def refuse(_: ServerConnection, request: Request) -> Response:
        return Response(429, "Too Many Requests", Headers({"Content-Length": str(len(body))}), body)

    async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


class TestOneConnection:
    async def test_token_is_sent_in_the_first_frame_only(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def script(line: Line) -> None:
            assert "secret-token" not in str(line.socket.request)
            assert (await line.greet()).token == "secret-token"
            await line.stay()

        caplog.set_level(logging.DEBUG)
        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived)
        assert "secret-token" not in "".join(
            record.getMessage() for record in caplog.records if record.name != "websockets.server"
        )

    async def test_unsent_message_is_taken_back_from_memory_and_disk(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            await line.stay()

        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived)
            first = person.connection.send("general", "first")
            second = person.connection.send("general", "second")
            assert person.connection.take_back(first.key) is None
            assert person.connection.take_back(second.key) == second
            assert person.connection.take_back(second.key) is None
            assert person.connection.state.unsent == {"general": (first,)}
            assert person.outbox is not None
            assert person.outbox.entries() == (first,)

    async def test_received_messages_are_shown(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            await line.say(message(1), message(2))
            await line.stay()

        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.MessageShown, 2)
        assert person.heard == [1, 2]

    async def test_frame_of_a_newer_protocol_is_skipped(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            await line.socket.send('{"type": "typing", "room": "general"}')
            await line.say(message(1))
            await line.stay()

        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.MessageShown)

    async def test_older_server_is_told_of_the_screen_once_and_no_error_is_shown(self, tmp_path: Path) -> None:
        told: list[frames.Command] = []

        async def script(line: Line) -> None:
            await line.greet()
            look = await line.expect(frames.Look)
            await line.say(frames.ErrorFrame(id=look.id, code=Code.BAD_FRAME, detail="Invalid value 'look'."))
            told.extend([command async for command in line.commands()])

        async with twin(script) as server:
            async with Person(server, tmp_path) as person:
                await person.see(notes.WelcomeReceived)
                person.connection.request(events.RoomLooked("general"))
                await until(lambda: person.connection.state.people.queue.supported is False, MOST_S)
                for request in (events.RoomLooked("ops"), events.PeopleShown(("bob",)), events.UserTyped("ops")):
                    person.connection.request(request)
            assert [
                type(note) for note in person.shown if isinstance(note, notes.CommandRefused | notes.ServerError)
            ] == []
        assert told == []

    async def test_sent_messages_leave_the_outbox_when_acknowledged(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            for offset in (1, 2):
                await line.say(ack(await line.expect(frames.Send), offset))
            await line.stay()

        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived)
            person.connection.send("general", "one")
            person.connection.send("general", "two")
            await person.see(notes.SendStored, 2)
            assert person.outbox is not None
            assert person.outbox.entries() == ()
        assert person.heard == [1, 2]

    async def test_connection_is_replaced_when_too_many_frames_wait(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            await line.greet()
            await line.stay()

        async with twin(first, first) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived)
            for _ in range(2 * MAX_OUTGOING):
                person.connection.request(events.CommandRequested(frames.ListRooms(id=0)))
            assert person.connection._outgoing.qsize() <= MAX_OUTGOING
            await person.see(notes.WelcomeReceived, 2)

    async def test_invalid_message_is_refused_before_it_is_queued(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            await line.stay()

        async with twin(script) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived)
            with pytest.raises(ChatError):
                person.connection.send("general", "\x1b[2J")
            assert not person.connection.state.unsent_count


class TestReconnect:
    async def test_reconnect_resumes_from_the_last_shown_message(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            await line.greet()
            await line.say(message(1), message(2))
            await line.all_read()
            await line.cut()

        async def second(line: Line) -> None:
            connect = await line.greet(room_state(2, head=4))
            assert connect.resume == {"general": ResumePoint("e1", 2)}
            await line.say(message(2), message(3), message(4))
            await line.stay()

        async with twin(first, second) as server, Person(server, tmp_path) as person:
            await person.see(notes.CaughtUp)
        assert person.heard == [1, 2, 3, 4]
        assert person.all(notes.CatchingUp) == [notes.CatchingUp("general", 2)]
        assert len(person.all(notes.Disconnected)) == 1

    async def test_unacknowledged_message_is_sent_again_with_the_same_key(self, tmp_path: Path) -> None:
        keys = []

        async def first(line: Line) -> None:
            await line.greet()
            keys.append((await line.expect(frames.Send)).key)
            await line.cut()

        async def second(line: Line) -> None:
            await line.greet()
            send = await line.expect(frames.Send)
            keys.append(send.key)
            await line.say(ack(send, 1))
            await line.stay()

        async with twin(first, second) as server, Person(server, tmp_path) as person:
            person.connection.send("general", "hello")
            await person.see(notes.SendStored)
        assert keys[0] == keys[1] is not None

    async def test_refused_handshake_is_retried(self, tmp_path: Path) -> None:
        async with refusing(retry_after_s=0.01) as server, Person(server, tmp_path) as person:
            cuts = await person.see(notes.Disconnected, 2)
        assert cuts[0].why == "Too many"
        assert cuts[0].retry_s >= 0.01

    async def test_try_now_skips_the_wait_before_the_next_attempt(self, tmp_path: Path) -> None:
        async with refusing(retry_after_s=3600) as server, Person(server, tmp_path) as person:
            await person.see(notes.Disconnected)
            person.connection.try_now()
            cuts = await person.see(notes.Disconnected, 2)
        assert [cut.retry_s for cut in cuts] == [3600, 3600]

    async def test_move_frame_reconnects(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            await line.greet()
            await line.say(frames.Move(after_ms=10))
            await line.stay()

        async def second(line: Line) -> None:
            await line.greet()
            await line.stay()

        async with twin(first, second) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived, 2)
        assert person.all(notes.Reconnecting)

    async def test_message_queued_offline_is_sent_after_connecting(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            await line.greet()
            await line.socket.close(CloseCode.RESTART)

        async def second(line: Line) -> None:
            await line.greet()
            await line.say(ack(await line.expect(frames.Send), 1))
            await line.stay()

        async with twin(first, second) as server, Person(server, tmp_path) as person:
            await person.see(notes.Disconnected)
            person.connection.send("general", "hello")
            await person.see(notes.SendStored)
        assert person.all(notes.QueuedOffline)


class TestEnd:
    async def test_ended_session_is_not_retried(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            await line.socket.close(CloseCode.SESSION_ENDED, "The session has ended; log in again.")

        async with twin(script) as server, Person(server, tmp_path) as person:
            ended = await person.running
        assert ended == notes.SessionOver(CloseCode.SESSION_ENDED, "The session has ended.")

    async def test_expired_token_does_not_end_the_chat(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            await line.greet()
            await line.socket.close(CloseCode.TOKEN_EXPIRED, "The token has expired; log in again.")

        async def second(line: Line) -> None:
            await line.greet()
            await line.stay()

        async with twin(first, second) as server, Person(server, tmp_path) as person:
            await person.see(notes.WelcomeReceived, 2)
        assert person.all(notes.Disconnected)[0].why == "the login has to be renewed"

    async def test_quit_does_not_wait_for_the_next_attempt(self, tmp_path: Path) -> None:
        async with refusing(retry_after_s=60) as server, asyncio.timeout(20):
            async with Person(server, tmp_path) as person:
                await person.see(notes.Disconnected)
        assert person.running.result() == notes.SessionOver(None, "You left.")

    async def test_exception_in_a_face_is_raised_by_run(self, tmp_path: Path) -> None:
        person = Person("http://127.0.0.1:9", tmp_path, outbox=False)

        def broken(_: notes.Note) -> None:
            raise ZeroDivisionError

        person.connection._show = broken
        with pytest.raises(ZeroDivisionError):
            await person.connection.run()


class TestUnsentEdits:
    async def test_message_counts_as_tried_on_disk_once_the_client_was_connected(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            sent = await line.expect(frames.Send)
            assert sent.content == "hello"
            await line.expect(frames.Send)
            await line.stay()

        async with twin(script) as server:
            person = Person(server, tmp_path)
            assert person.outbox is not None
            early = person.connection.send("general", "helo")
            assert person.connection.edit_unsent(early.key, "hello") == early
            assert [entry.tried for entry in person.outbox.entries()] == [False]
            async with person:
                await person.see(notes.WelcomeReceived)
                person.connection.send("ops", "one")
                assert [entry.tried for entry in person.outbox.entries()] == [True, True]
                assert person.connection.edit_unsent(early.key, "hello!") is not None
                assert [entry.text for entry in person.outbox.entries()] == ["hello!", "one"]
                assert person.outbox.entries()[0].content == "hello"

    async def test_message_that_was_stored_meanwhile_can_not_be_edited_in_the_outbox(self, tmp_path: Path) -> None:
        person = Person("http://127.0.0.1:1", tmp_path)
        assert person.connection.edit_unsent("nosuch", "hello") is None
        assert person.outbox is not None
        person.outbox.close()
