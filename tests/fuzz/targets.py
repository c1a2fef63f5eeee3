"""What parses what others wrote, each as a target for a fuzzer: takes any bytes, and fails where a rule is broken.

The rules are the same everywhere: only the declared refusal is raised, and what is accepted and written again reads as
the same.
"""

import asyncio
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from chatterbox.chassis.identity import Verifier
from chatterbox.chassis.line.payloads import Payloads, TooLargeError
from chatterbox.chassis.settings import LimitSettings, Settings
from chatterbox.wire import codec, events, frames, position, reading, store, text, tokens
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client import events as client_events
from client.address import server_address
from client.api import Login, Refusal, SessionLine
from client.faces.lines import Lines
from client.faces.paper import Clock, Paper
from client.faces.plain import Plain
from client.faces.slash import Call, Mistake, Say, parse
from client.faces.timeline import Timeline
from client.failures import Usage
from client.home.config import config_of, values_of
from client.home.palettes import BUILT_IN
from client.home.reading import Named
from client.home.reading import parse as parse_configuration
from client.home.themes import hard_to_read, parse_theme
from client.inert import inert, is_dangerous
from client.known import Known
from client.notices.mentions import names as names_somebody
from client.notices.notice import Heard, Why, notice_of
from client.notices.terminal import osc9, osc777
from client.place import Place
from client.session import Session
from services.auth import usernames
from services.auth.bodies import Credentials
from services.auth.keys import SigningKey
from services.auth.login_body import _fields, _validated
from tests.unit.client.world import Core, message, room_state, welcome

Target = Callable[[bytes], None]
LIMITS = Limits()
NOW_S = 1_790_000_000


def as_text(data: bytes) -> str:
    """Any text, halves of surrogate pairs too."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def commands(data: bytes) -> None:
    """What a client sends to the gateway."""
    with suppress(codec.BadFrame):
        command = codec.decode_command(data)
        assert codec.decode_command(codec.encode(command)) == command


class _Talk:
    """The client's core and its faces in lines, as far as they go without a socket."""

    def __init__(self) -> None:
        self.core = Core()
        self.lines: list[str] = []
        nowhere, clock = Path(os.devnull) / "nothing", Clock(later=lambda *_: None)  # nothing can be written there
        paper = Paper(Timeline(columns=lambda: 40), self.lines.append, self.lines.append)
        self.faces = [
            kind(Place("http://x", nowhere), "general", paper, Known(nowhere), clock) for kind in (Lines, Plain)
        ]
        for face in self.faces:
            face.connection = self  # type: ignore[assignment]
        self.asked: list[frames.Command] = []

    @property
    def state(self) -> Any:
        return self.core.state

    def ask(self, command: frames.Command) -> None:
        self.asked.append(command)

    def enter(self, room: str) -> None:
        self.asked.append(frames.Join(id=0, room=room))

    def feed(self, *fed: Any) -> None:
        for effect in self.core.feed(*fed):
            self._perform(effect)
        while self.asked:
            for effect in self.core.feed(client_events.Asked(self.asked.pop())):
                if not isinstance(effect, client_events.Show):
                    self._perform(effect)

    def _perform(self, effect: Any) -> None:
        match effect:
            case client_events.Transmit(command):
                assert codec.decode_command(codec.encode(command)) == command
            case client_events.Introduce(resume, _):
                codec.encode(frames.Connect(token="t", resume=dict(resume)))
            case client_events.Wake(after_s, _) | client_events.Dial(after_s):
                assert math.isfinite(float(after_s))
            case client_events.Show(note):
                for face in self.faces:
                    face.show(note)


def server_frames(data: bytes) -> None:
    """What a server sends to the client: read, taken by the core and shown by the faces in lines."""
    with suppress(reading.UnreadableError):
        frame = codec.decode_server_frame(data)
        assert codec.decode_server_frame(codec.encode(frame)) == frame
        talk = _Talk()
        talk.feed(client_events.Started(), client_events.Opened(), client_events.Came(welcome(room_state(3))))
        talk.feed(client_events.Came(message(4)))
        for command in (frames.Rooms(id=0), frames.Create(id=0, room="ops"), frames.History(id=0)):
            talk.feed(client_events.Asked(command))
        talk.feed(client_events.Entering("general"))
        talk.feed(client_events.Came(frame), client_events.Came(frame))
        talk.feed(client_events.Lost("cut", 0.5), client_events.Opened(), client_events.Came(frame))
        assert not any(map(is_dangerous, "".join(talk.lines)))


def controls(data: bytes) -> None:
    """Events of sessions and memberships, from the broker."""
    with suppress(reading.UnreadableError):
        event = events.decode_control(data)
        assert events.decode_control(events.encode_control(event)) == event


def batches(data: bytes) -> None:
    """Messages from the broker."""
    with suppress(reading.UnreadableError):
        batch = events.decode_batch(data)
        again = events.encode_batch(batch.epoch, batch.first, batch.frames)
        assert events.decode_batch(again) == batch


ANSWERS: tuple[Any, ...] = (
    store.AppendBatch, store.AppendAnswer, store.RoomInfo, store.Memberships, store.Heads, store.PageQuery,
    store.StoredPage, store.RoomListing, tokens.Jwks, tokens.Revocations, Login, Refusal, Session, list[SessionLine],
)  # fmt: skip


def answers(data: bytes) -> None:
    """JSON between the services, and what the client is answered over HTTP or keeps on disk: the first byte chooses."""
    if data:
        with suppress(reading.UnreadableError):
            kind = ANSWERS[data[0] % len(ANSWERS)]
            reading.read(data[1:], kind)


def positions(data: bytes) -> None:
    """`epoch:offset`, as people type it."""
    with suppress(ValueError):
        at = position.parse(as_text(data))
        assert position.parse(str(at)) == at


def dates(data: bytes) -> None:
    """The `Date` header of an answer."""
    at_s = text.http_date_s(as_text(data))
    assert at_s is None or math.isfinite(at_s)


def names(data: bytes) -> None:
    """What people write: content, names of rooms and users, keys."""
    written = as_text(data)
    with suppress(ChatError):
        assert text.content(written, LIMITS) == written
        written.encode()
    with suppress(ChatError):
        room = text.room_name(written, LIMITS)
        assert text.room_name(room, LIMITS) == room
        assert inert(room) == room or any(map(is_dangerous, room)) is False
    with suppress(ChatError):
        assert text.key(written, LIMITS).isascii()
    with suppress(ChatError):
        user = usernames.check(written)
        assert usernames.check(user.shown) == user
        assert usernames.same(user.shown, user.shown.upper()) or user.shown.upper().lower() != user.shown.lower()


_KEY = SigningKey.generate(0.0)


async def _jwks() -> tokens.Jwks:
    return tokens.Jwks([_KEY.public()])


def _verified(token: str) -> None:
    with suppress(ChatError):
        claims = asyncio.run(Verifier(_jwks, lambda: NOW_S).verify(token))
        assert claims.user_id >= 0
        assert claims.exp > NOW_S - tokens.LEEWAY_S


def session_tokens(data: bytes) -> None:
    """A token as it comes, and a payload that was signed by the right key."""
    _verified(as_text(data))
    head = {"alg": tokens.ALGORITHM, "kid": _KEY.kid, "typ": tokens.TYPE}
    _verified(jwt.PyJWS().encode(data, _KEY.private, tokens.ALGORITHM, head))


def key_files(data: bytes) -> None:
    """A signing key on disk."""
    with suppress(ValueError):
        key = SigningKey.parse(as_text(data))
        assert isinstance(key.private, Ed25519PrivateKey)
        assert SigningKey.parse(key.written()).kid == key.kid


def logins(data: bytes) -> None:
    """The body of a login, as JSON and as a form."""
    with suppress(RequestValidationError):
        credentials = _validated(lambda: Credentials.model_validate_json(data))
        assert Credentials.model_validate_json(credentials.model_dump_json()) == credentials
    with suppress(RequestValidationError, ChatError):
        fields = _fields(data)
        _validated(lambda: Credentials.model_validate(fields)).password.encode()


_VARIABLES = [f"CHATTERBOX_{name.upper()}" for name in (*LimitSettings.model_fields, *Settings.model_fields)]


def settings(data: bytes) -> None:
    """The environment: in each line the first byte chooses the variable. What is taken can be told to clients."""
    lines = [line for line in data.replace(b"\0", b"").split(b"\n") if line]
    given = {_VARIABLES[line[0] % len(_VARIABLES)]: os.fsdecode(line[1:]) for line in lines}
    with patch.dict(os.environ, given, clear=True), suppress(ValidationError):
        limits = LimitSettings().limits()
        assert msgspec.json.decode(msgspec.json.encode(limits), type=Limits) == limits
    with patch.dict(os.environ, given, clear=True), suppress(ValidationError):
        Settings()


def slashes(data: bytes) -> None:
    """A typed line."""
    line = as_text(data)
    match parse(line):
        case Say(content):
            assert content in {line, line[1:]}
        case Mistake(sentence):
            assert sentence
        case Call(_, words):
            assert len(words) <= 2
        case None:
            assert not line.strip()


def lines(data: bytes) -> None:
    """What comes over a line between services, in pieces: whole payloads, the same wherever it is cut, or refused."""
    cut = data[0] if data else 0
    whole, pieces = Payloads(200), Payloads(200)
    with suppress(TooLargeError):
        assert whole.feed(data) == pieces.feed(data[:cut]) + pieces.feed(data[cut:])


def screens(data: bytes) -> None:
    """A message on a terminal of any width: nothing in it is obeyed, and no line of it begins where names stand."""
    columns = data[0] if data else 80
    written = as_text(data[1:])
    shown = inert(written)
    assert not any(map(is_dangerous, shown))
    assert inert(shown) == shown
    said = frames.Message(
        room="r", at=Position("e", 1), message_id=1, username=written[:8], content=written, timestamp=written[:40]
    )
    lines = Timeline(columns=lambda: columns).message(said)
    assert not any(map(is_dangerous, "".join(lines)))
    assert all(line.startswith("  ") for line in lines[1:] if not line.startswith("-- ") and "--:--" in lines[0])


def addresses(data: bytes) -> None:
    """The address of a server, as people type it."""
    with suppress(Usage):
        address = server_address(as_text(data))
        assert server_address(address) == address
        assert urlsplit(address).hostname


def configurations(data: bytes) -> None:
    """What people write into the client's configuration and themes, and into a variable: used, or said in a line."""
    written = as_text(data)
    parsed = parse_configuration(written, {"CHATTERBOX_CLIENT_NOTICES_BY": written}, Named(written[:20], written[:8]))
    theme, wrong = parse_theme("x", written, BUILT_IN)
    for problem in (*parsed.problems, *wrong):
        assert not any(map(is_dangerous, problem.sentence("f")))
    assert parse_configuration(written, {}).problems or config_of(values_of(parsed.config)) == parsed.config
    assert all(0 < len(sentence) < 200 for sentence in hard_to_read(theme))


def notices(data: bytes) -> None:
    """A message that is told outside the chat: nothing in it is obeyed by the terminal, or read as something else."""
    written = as_text(data)
    said = frames.Message(
        room=written[:8], at=Position("e", 1), message_id=1, username=written[8:16], content=written, timestamp=""
    )
    names_somebody(written, [written[:8]])
    told = notice_of([Heard(said, Why.MENTION)], {said.room: 1})
    for sequence, fields in ((osc9(told), 1), (osc777(told), 3)):
        inside = sequence.removeprefix("\x1b]").removesuffix("\x1b\\")
        assert not any(map(is_dangerous, inside))
        assert inside.count(";") == fields


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        commands, server_frames, controls, batches, answers, positions, lines, dates, names, session_tokens, key_files,
        logins, settings, slashes, screens, addresses, configurations, notices,
    )
}  # fmt: skip
