"""Hostile commands about keys, recipients and inboxes are refused with a stable code; nothing fails inside."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.encrypted_talker import set_up
from tests.support.server import Server, running
from tests.support.talker import Talker

ROOM, DEVICE, BOB = "@ada~bob", "ADADEVICE2", ["bob", "BOBDEVICE2"]
MOST = 2**53 - 1
SESSION = "s" * 43
ENVELOPE = f"e1.{DEVICE}.{SESSION}.Zm9v"


def message(**fields: Any) -> dict[str, Any]:
    return {"to": BOB, "n": 1, "kind": "olm", "body": "Zm9v", **fields}


def share(**fields: Any) -> dict[str, Any]:
    return {"type": "share_keys", "room": ROOM, "device": DEVICE, "session": SESSION, "recipients": 1, **fields}


def to_device(*messages: dict[str, Any], device: str = DEVICE) -> dict[str, Any]:
    return {"type": "to_device", "device": device, "messages": list(messages)}


STRANGE = ["", "x", "\0", "../../etc/passwd", "' OR 1=1 --", "\uff21" * 10, "A" * 60_000, "adadevice2", "ADADEVICE2\n"]
HOSTILE: dict[str, dict[str, Any]] = {
    **{f"inbox of {text[:20]!r}": {"type": "inbox", "device": text} for text in STRANGE},
    **{f"taken by {text[:20]!r}": {"type": "taken", "device": text, "upto": 1} for text in STRANGE},
    **{f"claim by {text[:20]!r}": {"type": "claim", "device": text, "of": [BOB]} for text in STRANGE},
    **{f"recipients of {text[:20]!r}": {"type": "recipients", "room": text} for text in STRANGE},
    **{f"to_device by {text[:20]!r}": to_device(message(), device=text) for text in STRANGE},
    **{f"to_device to {text[:20]!r}": to_device(message(to=["bob", text])) for text in STRANGE},
    **{f"to_device to a user {text[:20]!r}": to_device(message(to=[text, "BOBDEVICE2"])) for text in STRANGE},
    **{f"session {text[:20]!r}": share(session=text) for text in STRANGE},
    "a gap of numbers": to_device(message(n=MOST)),
    "number 0": to_device(message(n=0)),
    "a kind that there is not": to_device(message(kind="loud")),
    "clear text that is no verification": to_device(message(kind="clear", body='{"type": "m.room_key"}')),
    "clear text that is no JSON": to_device(message(kind="clear", body="{")),
    "clear text that is deeply nested": to_device(message(kind="clear", body="[" * 4000)),
    "too many messages": to_device(*[message(n=n) for n in range(1, 34)]),
    "a body that is no string": to_device(message(body=7)),
    "an address of three": to_device(message(to=["bob", "BOBDEVICE2", "x"])),
    "recipients of the future": share(recipients=MOST),
    "a reason that there is not": share(withheld=[[*BOB, "weather"]]),
    "withheld from oneself": share(withheld=[["ada", DEVICE, "blocked"]], recipients=MOST),
    "keys for a plain room": share(room="general"),
    "keys in the name of another's device": share(device="BOBDEVICE2"),
    "an envelope of the future": {"type": "send", "room": ROOM, "content": ENVELOPE, "recipients": MOST},
    "an envelope of another's device": {
        "type": "send", "room": ROOM, "content": ENVELOPE.replace(DEVICE, "BOBDEVICE2"), "recipients": 1,
    },
    "an edit of nothing": {"type": "edit", "room": ROOM, "offset": MOST, "content": ENVELOPE, "recipients": 1},
    "a reaction to nothing": {"type": "react", "room": ROOM, "offset": MOST, "envelope": ENVELOPE, "recipients": 1},
    "claims of too many devices": {"type": "claim", "device": DEVICE, "of": [BOB] * 65},
}  # fmt: skip
ODD: dict[str, dict[str, Any]] = {
    "a position of another epoch": {"type": "inbox", "device": DEVICE, "after": {"epoch": "x" * 9000, "offset": 5}},
    "a position of the future": {"type": "inbox", "device": DEVICE, "after": {"epoch": "", "offset": MOST}},
    "known lists of the future": {"type": "recipients", "room": ROOM, "known": {"bob": MOST, "\0": 1, "": 2}},
    "many known lists": {"type": "recipients", "room": ROOM, "known": {f"user{n}": n for n in range(2500)}},
    "claims of nothing": {"type": "claim", "device": DEVICE, "of": []},
    "claims of the same device": {"type": "claim", "device": DEVICE, "of": [BOB] * 64},
    "claims of unknown devices": {"type": "claim", "device": DEVICE, "of": [[name, name] for name in STRANGE[:6]]},
    "no messages": to_device(),
    "taken beyond the inbox": {"type": "taken", "device": DEVICE, "upto": MOST},
}
"""Unusual commands that are answered."""


@pytest.fixture(autouse=True)
def no_failure(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert [record.message for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, str]]:
    """A server and Ada's token; Bob has a device and a conversation with her. Bad input changes nothing."""
    async with running(tmp_path_factory.mktemp("keys"), encryption="direct") as server:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        await set_up(server, ada_token, DEVICE)
        await set_up(server, bob_token, BOB[1])
        async with server.talker(ada_token) as ada:
            await ada.ask("direct", username="bob")
        yield server, ada_token


@pytest.fixture
async def ada(shared: tuple[Server, str]) -> AsyncIterator[Talker]:
    server, token = shared
    async with server.talker(token) as ada:
        yield ada


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_command_is_refused_with_a_stable_code(ada: Talker, what: str) -> None:
    fields = dict(HOSTILE[what])
    reply = await ada.ask(fields.pop("type"), **fields)
    assert reply["type"] == "error", reply
    assert reply["code"] not in {"internal", "unavailable"}, reply


@pytest.mark.parametrize("what", ODD)
async def test_unusual_command_is_answered(ada: Talker, what: str) -> None:
    fields = dict(ODD[what])
    reply = await ada.ask(fields.pop("type"), **fields)
    assert reply["type"] != "error", reply
