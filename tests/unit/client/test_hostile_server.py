"""A broken or hostile server: the client continues, or ends with a message."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.context import ClientContext
from client.core import events, notes
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput
from client.faces.line_timeline import LineTimeline
from client.failures import Failure, Unreachable
from client.net import http_api
from client.net.chat_connection import ChatConnection
from client.net.http_api import HttpApi
from client.store.name_cache import NameCache
from tests.unit.client.twin import Line, Person, twin
from tests.unit.client.world import message

DEEP = 100_000
AT = '"at":{"epoch":"e1","offset":%s}'
MESSAGE = '{"type":"message","room":"general",%s,"message_id":1,"username":"%s","content":"%s","timestamp":"%s"}'
FRAMES = {
    "nothing": "",
    "no JSON": "hello",
    "half of it": '{"type":"message"',
    "lists without end": "[" * DEEP,
    "objects without end": '{"x":' * DEEP,
    "a deep field that nobody knows": '{"type":"pong","id":1,"x":' + "[" * DEEP + "]" * DEEP + "}",
    "a number of 5000 digits": '{"type":"pong","id":' + "9" * 5000 + "}",
    "another type": '{"type":"dance"}',
    "another kind": "[1,2,3]",
    "half of a surrogate pair": '{"type":"error","code":"\\ud800","detail":"x"}',
    "a move in 10^400 ms": '{"type":"move","after_ms":' + "9" * 400 + "}",
    "a move into the past": '{"type":"move","after_ms":-1}',
    "an offset that no encoder takes": MESSAGE % (AT % 2**64, "bob", "x", "now"),
    "an offset below nothing": MESSAGE % (AT % -5, "bob", "x", "now"),
    "an id that no float holds": '{"type":"error","code":"x","detail":"x","id":' + "9" * 400 + "}",
    "a wait that never ends": '{"type":"error","code":"unavailable","detail":"x","retry_after_s":1e308}',
    "a reply to nothing": '{"type":"sent","id":999,"room":"general",' + AT % 7 + ',"message_id":1,"timestamp":"x"}',
    "a room list for nobody": '{"type":"rooms","id":77,"rooms":[]}',
    "a limit of no kind": '{"type":"welcome","username":"x","limits":{"page_messages":null}}',
}
TIMES = [
    "",
    "now",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "\ud83d",
    "2026-11-23T10:00:00.000Z\x1b[2J",
]


@asynccontextmanager
async def told(tmp_path: Path, script: Callable[[Line], object]) -> AsyncIterator[Person]:
    """Somebody at a server that does this after the greeting."""

    async def greeted(line: Line) -> None:
        await line.greet()
        await script(line)  # type: ignore[misc]
        await line.stay()

    async with twin(greeted) as server, Person(server, tmp_path) as person:
        yield person


class TestFrames:
    @pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
    @pytest.mark.parametrize("as_text", [True, False], ids=["text", "binary"])
    async def test_invalid_frames_are_skipped(self, tmp_path: Path, frame: str, *, as_text: bool) -> None:
        async def script(line: Line) -> None:
            await line.socket.send(frame.encode(), text=as_text)
            await line.say(message(1))

        async with told(tmp_path, script) as person:
            await person.see(notes.MessageShown)
            assert person.heard == [1]

    async def test_frames_that_are_not_utf8_are_skipped(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            for payload in (b"\xff\xfe", b'{"type":"error","code":"\xff","detail":"x"}', b"\x00" * 1000):
                await line.socket.send(payload)
            await line.say(message(1))

        async with told(tmp_path, script) as person:
            await person.see(notes.MessageShown)

    async def test_message_at_the_largest_offset_is_shown(self, tmp_path: Path) -> None:
        """The hole before it is asked for, and the answer tells nothing."""
        most = 2**53 - 1

        async def script(line: Line) -> None:
            await line.say(message(most))
            asked = await line.expect(frames.ReadHistory)
            await line.say(frames.Page(id=asked.id, room="general", messages=[], more=True))

        async with told(tmp_path, script) as person:
            await person.see(notes.MessageShown)
            assert person.heard == [most]
            assert person.all(notes.MessagesMissing)[0].count == most - 1


POLL = '{"type":"poll","room":"general",%s,"question":"Lunch?"}'


class TestNewerServer:
    async def test_unreadable_item_of_a_page_is_a_missing_message(self, tmp_path: Path) -> None:
        said = [MESSAGE % (AT % offset, "bob", f"message {offset}", "now") for offset in (1, 3)]

        async def script(line: Line) -> None:
            await line.say(message(4))
            asked = await line.expect(frames.ReadHistory)
            page = f'"room":"general","more":false,"messages":[{said[0]},{POLL % (AT % 2)},{said[1]}]'
            await line.socket.send(f'{{"type":"page","id":{asked.id},{page}}}')

        async with told(tmp_path, script) as person:
            await person.see(notes.MessageShown, 3)
            assert person.heard == [1, 3, 4]
            assert person.all(notes.MessagesMissing) == [notes.MessagesMissing("general", 1)]
            assert not person.connection.state.pending

    async def test_page_without_a_readable_item_is_skipped(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.say(message(4))
            asked = await line.expect(frames.ReadHistory)
            polls = ",".join(POLL % (AT % offset) for offset in (1, 2))
            await line.socket.send(
                f'{{"type":"page","id":{asked.id},"room":"general","more":true,"messages":[{polls}]}}'
            )
            asked = await line.expect(frames.ReadHistory)
            assert asked.after == 2
            await line.say(frames.Page(id=asked.id, room="general", messages=[message(3)], more=False))

        async with told(tmp_path, script) as person:
            await person.see(notes.MessageShown, 2)
            assert person.heard == [3, 4]
            assert person.all(notes.MessagesMissing) == [notes.MessagesMissing("general", 2)]

    async def test_unreadable_item_of_a_join_is_a_missing_message(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            asked = await line.expect(frames.Join)
            said = MESSAGE % (AT % 1, "bob", "hello", "now")
            await line.socket.send(
                f'{{"type":"joined","id":{asked.id},"room":"general",{AT % 2},"complete":true,'
                f'"messages":[{said},{POLL % (AT % 2)}]}}'
            )

        async with told(tmp_path, script) as person:
            await person.see(notes.WelcomeReceived)
            person.connection.request(events.RoomRequested("general"))
            await person.see(notes.MessagesMissing)
            assert person.all(notes.RoomEntered)[0].messages[0].at.offset == 1

    async def test_command_with_an_unknown_reply_is_refused(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            asked = await line.expect(frames.ListRooms)
            await line.socket.send(f'{{"type":"room_tree","id":{asked.id},"roots":[]}}')

        async with told(tmp_path, script) as person:
            await person.see(notes.WelcomeReceived)
            person.connection.request(events.CommandRequested(frames.ListRooms(id=0)))
            (refused,) = await person.see(notes.CommandRefused)
            assert "Update the client." in refused.detail

    async def test_message_whose_ack_can_not_be_read_stays_in_the_outbox(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            sent = await line.expect(frames.Send)
            await line.socket.send(f'{{"type":"sent","id":{sent.id},"room":7}}')

        async with told(tmp_path, script) as person:
            await person.see(notes.WelcomeReceived)
            person.connection.send("general", "hello")
            await person.see(notes.SendDelayed)
            assert not person.all(notes.SendFailed)
            assert person.connection.state.unsent_count == 1


@pytest.mark.parametrize("timestamp", TIMES, ids=ascii)
def test_invalid_timestamp_is_shown_inert(tmp_path: Path, timestamp: str) -> None:
    shown: list[str] = []
    context, names = ClientContext("http://x", tmp_path), NameCache(tmp_path / "known")
    output = LineOutput(LineTimeline(colour=True), shown.append, shown.append)
    face = LineFace(context, "general", output, names, lambda show: ChatConnection("http://x", context.tokens, show))
    said = frames.Message(
        room="general", at=Position("e", 1), message_id=1, username="b", content="hello", timestamp=timestamp
    )
    face.show(notes.MessageShown(said, mine=False))
    assert shown[-1].endswith("hello")
    assert "\x1b[2J" not in shown[-1]


ANSWERS = {
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"\xff\xfe\x00hello\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a refusal that is nested without end": b"HTTP/1.1 503 Away\r\nContent-Length: 100000\r\n\r\n" + b"[" * DEEP,
    "a refusal in no encoding": b'HTTP/1.1 400 No\r\nContent-Length: 26\r\n\r\n{"code":"\xff","detail":"x"} ',
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    "a status of no kind": b"HTTP/1.1 999 \xff\r\nContent-Length: 0\r\n\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx",
    "a body that is cut": b"HTTP/1.1 401 No\r\nContent-Length: 500\r\n\r\n{",
    "a success that is nested without end": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * DEEP,
    "compressed rubbish": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
}


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that says this to whoever connects; yields its address."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class TestResponses:
    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
    async def test_invalid_handshake_response_is_reported_and_retried(self, tmp_path: Path, answer: bytes) -> None:
        async with answering(answer) as server, Person(server, tmp_path) as person:
            cuts = await person.see(notes.Disconnected, 2)
        assert all(cut.why for cut in cuts)

    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
    async def test_invalid_http_response_becomes_a_failure(self, answer: bytes) -> None:
        def ask(server: str) -> None:
            with HttpApi(server, "token") as http, pytest.raises(Failure) as failure:
                http.sessions()
            assert str(failure.value)

        async with answering(answer) as server:
            await asyncio.to_thread(ask, server)

    async def test_redirect_does_not_leak_the_token(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.expect(frames.Connect)

        async with twin() as elsewhere:
            answer = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/ws\r\nContent-Length: 0\r\n\r\n".encode()
            async with answering(answer) as server, Person(server, tmp_path) as person:
                cuts = await person.see(notes.Disconnected, 2)
        assert "302 Found" in cuts[0].why


class _Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"[" * 65_536)
        except OSError:
            return

    def log_message(self, *_: object) -> None: ...


@contextmanager
def endless() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_endless_response_is_not_read_to_its_end() -> None:
    with endless() as server, HttpApi(server) as http, pytest.raises(Unreachable, match="does not respond like"):
        http.sessions()


def test_slow_response_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "RESPONSE_S", -1.0)
    with endless() as server, HttpApi(server) as http, pytest.raises(Unreachable, match="does not respond like"):
        http.sessions()
