"""Fuzzing targets for every parser of foreign input: each takes arbitrary bytes and fails if a rule is broken.

The rules are the same for all: a parser raises only its declared error, and accepted input survives a round trip.
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

from chatterbox.chassis.core.host_names import host_port
from chatterbox.chassis.core.length_prefix import PayloadReader, PayloadTooLargeError
from chatterbox.chassis.core.request_target import BadRequestError, parse_target
from chatterbox.chassis.settings import LimitSettings, Settings
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import auth_api, broker_events, codec, frames, history_api, position, text_rules, untrusted_json
from chatterbox.wire.encryption import envelope, key_api, signatures
from chatterbox.wire.encryption.device_keys import UserKeys, signed_part
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.config.builtin_themes import BUILT_IN
from client.config.config_parser import CliOverrides
from client.config.config_parser import parse as parse_configuration
from client.config.config_schema import config_of, values_of
from client.config.themes import hard_to_read, parse_theme
from client.context import ClientContext
from client.core import events as client_events
from client.core import frame_decoder
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput, LoopClock
from client.faces.line_timeline import LineTimeline
from client.faces.plain_face import PlainFace
from client.faces.slash.slash_parser import LocalCommand, UsageMistake, parse
from client.failures import UsageError
from client.net.http_api import LoginResult, RefusalBody, SessionInfo
from client.notifications.mentions import names as names_somebody
from client.notifications.notification import NotableMessage, NotifyReason, notification_of
from client.notifications.terminal_escape import osc9, osc777
from client.store.name_cache import NameCache
from client.store.session_file import SavedSession
from client.text.sanitize import inert, is_dangerous
from client.text.server_url import server_address
from services.auth.http.login_form import _form_fields, _validated
from services.auth.http.schemas import Credentials
from services.auth.rules import username_policy
from services.auth.sessions.signing_keys import SigningKey
from services.gateway.core.upgrade_request import BadUpgradeError, accept_header
from tests.fuzz.changed_keys import changed, unsigned
from tests.unit.client.world import Core, message, room_state, welcome

Target = Callable[[bytes], None]
LIMITS = Limits()
NOW_S = 1_790_000_000


def as_text(data: bytes) -> str:
    """Decode to any text, including lone surrogates."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def commands(data: bytes) -> None:
    """Commands of clients."""
    with suppress(codec.BadFrame):
        command = codec.decode_command(data)
        assert codec.decode_command(codec.encode(command)) == command


class _Client:
    """The client's core and its line faces, without a socket."""

    def __init__(self) -> None:
        self.core = Core()
        self.lines: list[str] = []
        missing, clock = Path(os.devnull) / "nothing", LoopClock(later=lambda *_: None)  # not writable
        output = LineOutput(LineTimeline(columns=lambda: 40), self.lines.append, self.lines.append)

        def connect(_: object) -> Any:
            return self

        self.faces = [
            kind(ClientContext("http://x", missing), "general", output, NameCache(missing), connect, clock)
            for kind in (LineFace, PlainFace)
        ]
        self.requested: list[frames.Command] = []

    @property
    def state(self) -> Any:
        return self.core.state

    def ask_for_held(self, held: Any) -> None:
        self.held = held

    def request(self, request: client_events.Request) -> None:
        match request:
            case CommandRequested(command):
                self.requested.append(command)
            case RoomRequested(room):
                self.requested.append(frames.Join(id=0, room=room))

    def feed(self, *events: Any) -> None:
        for effect in self.core.feed(*events):
            self._perform(effect)
        while self.requested:
            for effect in self.core.feed(client_events.CommandRequested(self.requested.pop())):
                if not isinstance(effect, client_events.ShowNote):
                    self._perform(effect)

    def _perform(self, effect: Any) -> None:
        match effect:
            case client_events.SendCommand(command):
                assert codec.decode_command(codec.encode(command)) == command
            case client_events.SendConnect(resume, _):
                codec.encode(frames.Connect(token="t", resume=dict(resume)))
            case client_events.StartTimer(after_s, _) | client_events.Dial(after_s):
                assert math.isfinite(float(after_s))
            case client_events.ShowNote(note):
                for face in self.faces:
                    face.show(note)


def server_frames(data: bytes) -> None:
    """Frames of the server: decoded, handled by the client core, and shown by the line faces."""
    with suppress(untrusted_json.UnreadableError):
        readable = codec.decode_server_frame(data)
        assert codec.decode_server_frame(codec.encode(readable)) == readable
    if (frame := frame_decoder.decode(data)) is not None:
        client = _Client()
        client.feed(
            client_events.Started(),
            client_events.HandshakeDone(client.held()),
            client_events.FrameReceived(welcome(room_state(3))),
        )
        client.feed(client_events.FrameReceived(message(4)))
        for command in (frames.ListRooms(id=0), frames.CreateRoom(id=0, room="ops"), frames.ReadHistory(id=0)):
            client.feed(client_events.CommandRequested(command))
        client.feed(client_events.RoomRequested("general"))
        client.feed(client_events.FrameReceived(frame), client_events.FrameReceived(frame))
        client.feed(
            client_events.ConnectionLost("cut", 0.5),
            client_events.HandshakeDone(client.held()),
            client_events.FrameReceived(frame),
        )
        assert not any(map(is_dangerous, "".join(client.lines)))


def controls(data: bytes) -> None:
    """Session and membership events from the broker."""
    with suppress(untrusted_json.UnreadableError):
        event = broker_events.decode_control(data)
        assert broker_events.decode_control(broker_events.encode_control(event)) == event


def signals(data: bytes) -> None:
    """Signals for users' connections from the broker."""
    with suppress(untrusted_json.UnreadableError):
        signal = broker_events.decode_signal(data)
        assert broker_events.decode_signal(broker_events.encode_signal(signal)) == signal


def batches(data: bytes) -> None:
    """Batches of messages and of changes from the broker."""
    with suppress(untrusted_json.UnreadableError):
        batch = broker_events.decode_room_payload(data)
        if isinstance(batch, broker_events.ChangeBatch):
            again = broker_events.encode_changes(batch.epoch, batch.after, batch.changes)
        else:
            again = broker_events.encode_batch(batch.epoch, batch.first, batch.frames, batch.rev)
        assert broker_events.decode_room_payload(again) == batch


ANSWERS: tuple[Any, ...] = (
    history_api.ChangesQuery, history_api.StoredChanges,
    history_api.AppendBatch, history_api.AppendAnswer, history_api.RoomInfo, history_api.MembershipSnapshot,
    history_api.Heads, history_api.PageQuery, history_api.StoredPage, history_api.RoomListing,
    auth_api.Jwks, auth_api.Revocations,
    LoginResult, RefusalBody, SavedSession, list[SessionInfo],
)  # fmt: skip


def answers(data: bytes) -> None:
    """JSON between services, HTTP responses to the client, and its files; the first byte selects the type."""
    if data:
        with suppress(untrusted_json.UnreadableError):
            kind = ANSWERS[data[0] % len(ANSWERS)]
            untrusted_json.decode_json(data[1:], kind)


def positions(data: bytes) -> None:
    """Positions as users type them: `epoch:offset`."""
    with suppress(ValueError):
        at = position.parse(as_text(data))
        assert position.parse(str(at)) == at


def dates(data: bytes) -> None:
    """The `Date` header of a response."""
    at_s = text_rules.http_date_s(as_text(data))
    assert at_s is None or math.isfinite(at_s)


def names(data: bytes) -> None:
    """Message content, room and user names, keys."""
    text = as_text(data)
    with suppress(ChatError):
        assert text_rules.content(text, LIMITS) == text
        text.encode()
    with suppress(ChatError):
        room = text_rules.room_name(text, LIMITS)
        assert text_rules.room_name(room, LIMITS) == room
        assert inert(room) == room or any(map(is_dangerous, room)) is False
    with suppress(ChatError):
        assert text_rules.key(text, LIMITS).isascii()
    with suppress(ChatError):
        user = username_policy.check(text)
        assert username_policy.check(user.display) == user
        assert (
            username_policy.is_same_name(user.display, user.display.upper())
            or user.display.upper().lower() != user.display.lower()
        )


_KEY = SigningKey.generate(0.0)


async def _jwks() -> auth_api.Jwks:
    return auth_api.Jwks([_KEY.public_jwk()])


def _verified(token: str) -> None:
    with suppress(ChatError):
        claims = asyncio.run(TokenVerifier(_jwks, lambda: NOW_S).verify(token))
        assert claims.user_id >= 0
        assert claims.exp > NOW_S - auth_api.LEEWAY_S


def session_tokens(data: bytes) -> None:
    """Arbitrary tokens, and arbitrary payloads signed with the right key."""
    _verified(as_text(data))
    head = {"alg": auth_api.ALGORITHM, "kid": _KEY.kid, "typ": auth_api.TYPE}
    _verified(jwt.PyJWS().encode(data, _KEY.private, auth_api.ALGORITHM, head))


def key_files(data: bytes) -> None:
    """Signing key files."""
    with suppress(ValueError):
        key = SigningKey.parse(as_text(data))
        assert isinstance(key.private, Ed25519PrivateKey)
        assert SigningKey.parse(key.serialized()).kid == key.kid


def logins(data: bytes) -> None:
    """Login bodies, as JSON and as a form."""
    with suppress(RequestValidationError):
        credentials = _validated(lambda: Credentials.model_validate_json(data))
        assert Credentials.model_validate_json(credentials.model_dump_json()) == credentials
    with suppress(RequestValidationError, ChatError):
        fields = _form_fields(data)
        _validated(lambda: Credentials.model_validate(fields)).password.encode()


_VARIABLES = [f"CHATTERBOX_{name.upper()}" for name in (*LimitSettings.model_fields, *Settings.model_fields)]


def settings(data: bytes) -> None:
    """Environment variables, selected by the first byte of each line; accepted limits can be sent to clients."""
    lines = [line for line in data.replace(b"\0", b"").split(b"\n") if line]
    environment = {_VARIABLES[line[0] % len(_VARIABLES)]: os.fsdecode(line[1:]) for line in lines}
    with patch.dict(os.environ, environment, clear=True), suppress(ValidationError):
        limits = LimitSettings().limits()
        assert msgspec.json.decode(msgspec.json.encode(limits), type=Limits) == limits
    with patch.dict(os.environ, environment, clear=True), suppress(ValidationError):
        Settings()


def slashes(data: bytes) -> None:
    """Typed lines."""
    line = as_text(data)
    match parse(line, "general"):
        case SendRequested(_, content):
            assert content in {line, line[1:]}
        case UsageMistake(sentence):
            assert sentence
        case CommandRequested() | RoomRequested() | QuitRequested() | LocalCommand():
            assert line.startswith("/")
        case None:
            assert not line.strip()


def lines(data: bytes) -> None:
    """RPC payloads between services: complete and independent of how the bytes are split, or refused."""
    cut = data[0] if data else 0
    whole, pieces = PayloadReader(200), PayloadReader(200)
    with suppress(PayloadTooLargeError):
        assert whole.feed(data) == pieces.feed(data[:cut]) + pieces.feed(data[cut:])


def screens(data: bytes) -> None:
    """Messages on a terminal of any width: no escape sequences, and continuation lines are indented."""
    columns = data[0] if data else 80
    text = as_text(data[1:])
    shown = inert(text)
    assert not any(map(is_dangerous, shown))
    assert inert(shown) == shown
    message_frame = frames.Message(
        room="r", at=Position("e", 1), message_id=1, username=text[:8], content=text, timestamp=text[:40]
    )
    lines = LineTimeline(columns=lambda: columns).message(message_frame)
    assert not any(map(is_dangerous, "".join(lines)))
    assert all(line.startswith("  ") for line in lines[1:] if not line.startswith("-- ") and "--:--" in lines[0])


def addresses(data: bytes) -> None:
    """Server addresses as users type them."""
    with suppress(UsageError):
        address = server_address(as_text(data))
        assert server_address(address) == address
        assert urlsplit(address).hostname


def configurations(data: bytes) -> None:
    """Client configuration, themes and a variable: used, or reported in one line."""
    text = as_text(data)
    parsed = parse_configuration(text, {"CHATTERBOX_CLIENT_NOTICES_BY": text}, CliOverrides(text[:20], text[:8]))
    theme, problems = parse_theme("x", text, BUILT_IN)
    for problem in (*parsed.problems, *problems):
        assert not any(map(is_dangerous, problem.sentence("f")))
    assert parse_configuration(text, {}).problems or config_of(values_of(parsed.config)) == parsed.config
    assert all(0 < len(sentence) < 200 for sentence in hard_to_read(theme))


def notices(data: bytes) -> None:
    """Desktop notifications by terminal escape: text can't end the sequence or add fields."""
    text = as_text(data)
    message_frame = frames.Message(
        room=text[:8], at=Position("e", 1), message_id=1, username=text[8:16], content=text, timestamp=""
    )
    names_somebody(text, [text[:8]])
    notification = notification_of([NotableMessage(message_frame, NotifyReason.MENTION)], {message_frame.room: 1})
    for sequence, fields in ((osc9(notification), 1), (osc777(notification), 3)):
        inside = sequence.removeprefix("\x1b]").removesuffix("\x1b\\")
        assert not any(map(is_dangerous, inside))
        assert inside.count(";") == fields


def request_targets(data: bytes) -> None:
    """Request lines: method and target; what is accepted is a path with a query, in ASCII."""
    method, _, target = data.partition(b" ")
    with suppress(BadRequestError):
        parsed = parse_target(method.decode("latin-1"), target)
        assert parsed.origin_form.startswith(b"/")
        assert parse_target("GET", parsed.origin_form).origin_form == parsed.origin_form
        assert parsed.authority is None or host_port(parsed.authority.decode()).host


def upgrades(data: bytes) -> None:
    """Headers of WebSocket upgrade requests, one a line."""
    lines = (line.partition(b":") for line in data.split(b"\n"))
    headers = [(name.strip().lower(), value.strip()) for name, _, value in lines]
    with suppress(BadUpgradeError):
        assert len(accept_header("GET", "1.1", headers)) == 28


def envelopes(data: bytes) -> None:
    """Contents of encrypted messages: parsed to what they say, or refused with one code."""
    text = as_text(data)
    parsed: envelope.Envelope | None = None
    refused: Code | None = None
    try:
        parsed = envelope.parse(text, LIMITS.envelope_bytes)
    except ChatError as refusal:
        refused = refusal.code
    if parsed is None:
        assert refused is Code.ENVELOPE_INVALID
    else:
        assert str(parsed) == text
        assert len(text.encode("ascii")) <= LIMITS.envelope_bytes
        assert ":" not in text
        assert envelope.is_device_id(parsed.device)
        assert envelope.is_session_id(parsed.session)
    with suppress(ValueError):
        assert envelope.from_base64url(envelope.to_base64url(envelope.from_base64url(text))) is not None


_KEY_BODIES: tuple[Any, ...] = (
    UserKeys, key_api.DeviceUpload, key_api.OwnDevices, key_api.OneTimeKeysUpload, key_api.OneTimeKeysStored,
    key_api.UsersKeys, key_api.DeviceListUpload, key_api.KeyBackupHeader, key_api.BackupItemsUpload,
    key_api.BackupItemsPage, history_api.ShareKeysCall, history_api.InboxPage, history_api.RoomRecipients,
)  # fmt: skip


def key_bodies(data: bytes) -> None:
    """Bodies about keys, devices and to-device messages; the first byte selects the type."""
    if data:
        kind = _KEY_BODIES[data[0] % len(_KEY_BODIES)]
        with suppress(untrusted_json.UnreadableError):
            body = untrusted_json.decode_json(data[1:], kind)
            assert untrusted_json.decode_json(msgspec.json.encode(body), kind) == body


def user_keys(data: bytes) -> None:
    """Keys and device list of a user, changed in one place: refused, unless nothing that is signed changed."""
    right, found = changed(data)
    for candidate in found:
        with suppress(signatures.SignatureError):
            signatures.verify_user(candidate, right.list.user_id)
            assert unsigned(candidate) == unsigned(right)
            assert signed_part(candidate.list) == signed_part(right.list)


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        commands, server_frames, controls, signals, batches, answers, positions, lines, dates, names, session_tokens,
        key_files, logins, settings, slashes, screens, addresses, configurations, notices,
        request_targets, upgrades, envelopes, key_bodies, user_keys,
    )
}  # fmt: skip
