"""The shell of encryption: frames reach the core decrypted and in order, and no command imports it for nothing."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import ToDeviceKind
from chatterbox.wire.position import Position
from client.core import events
from client.core.client_state import ClientState
from client.core.reducer import reduce
from client.encryption.command_link import CommandLink, LinkBroken
from client.encryption.core.trust import DecryptedMessage, Unreadable
from client.encryption.message_encryption import EncryptedRoom
from client.net.encryption_shell import EncryptionShell, EncryptionSupport
from client.net.pending_replies import FIRST_ID, PendingReplies
from client.store.encrypted_directs import EncryptedDirectsFile
from tests.support.waiting import until
from tests.unit.client.world import ME, message, welcome

WIRE, UID = "@alice~bob", "uid-of-bob-1234567890A"
AT = Position("e1", 0)


class Slow:
    """Decrypts a message when it is allowed to, so that the order of frames can be watched."""

    def __init__(self) -> None:
        self.on_messages: Callable[[str, Sequence[DecryptedMessage]], None] = lambda _room, _messages: None
        self.on_readiness: Callable[[], None] = lambda: None
        self.may_go = asyncio.Event()
        self.pushes: list[object] = []
        self.asked: list[int] = []

    async def start(self, _welcome: frames.Welcome, _link: CommandLink) -> None:
        """Be ready at once."""

    def stop(self) -> None:
        """Nothing is open."""

    async def close(self) -> None:
        """Nothing is open."""

    def take(self, push: object) -> None:
        self.pushes.append(push)

    async def decrypt(self, _room: EncryptedRoom, messages: Sequence[frames.Message]) -> list[DecryptedMessage]:
        self.asked.append(len(messages))
        await self.may_go.wait()
        return [decrypted(message) for message in messages]


def decrypted(message: frames.Message) -> DecryptedMessage:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return DecryptedMessage(**fields | {"content": f"clear {message.at.offset}"})


class Site:
    """A shell with a core behind it, which records the frames that it is fed."""

    def __init__(self, folder: Path, encryption: Slow | None) -> None:
        self.state = ClientState(username=ME)
        self.fed: list[frames.ServerFrame] = []
        self.bugs: list[Exception] = []
        make = None if encryption is None else lambda: encryption
        support = EncryptionSupport(EncryptedDirectsFile(folder / "alice.directs.json"), make, is_eager=True)  # type: ignore[arg-type]
        self.shell = EncryptionShell(support, lambda: self.state, self.feed, self.bugs.append)
        self.shell.connect(lambda _: None, lambda: None)

    def feed(self, event: events.Event) -> None:
        self.state, effects = reduce(self.state, event)
        if isinstance(event, events.FrameReceived):
            self.fed.append(event.frame)
        for effect in effects:
            if isinstance(effect, events.KeepEncryptedDirects):
                self.shell.perform(effect)

    async def welcomed(self) -> None:
        room = frames.RoomState(room=WIRE, at=AT, head=0, encrypted=True, uid=UID)
        self.feed(events.Started((), ME))
        self.feed(events.HandshakeDone())
        await self.shell.take(msgspec.structs.replace(welcome(room), encryption=EncryptionPolicy.DIRECT))

    async def settled(self) -> None:
        """Let everything run that can."""
        for _ in range(20):
            await asyncio.sleep(0)


def pushed(offset: int, room: str = WIRE) -> frames.Message:
    return msgspec.structs.replace(message(offset, room=room), content=f"e1.ABCDEFGHIJ.{'s' * 43}.Zm9v")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_frames_wait_behind_a_message_that_is_decrypted(tmp_path: Path) -> None:
    slow = Slow()
    site = Site(tmp_path, slow)
    await site.welcomed()
    await site.shell.take(pushed(1))
    await site.shell.take(message(1))
    await site.settled()
    assert len(site.fed) == 1
    slow.may_go.set()
    await until(lambda: len(site.fed) == 3, 5)
    first, second = site.fed[1:]
    assert isinstance(first, DecryptedMessage)
    assert (first.content, second) == ("clear 1", message(1))
    await site.shell.disconnect()


async def test_messages_that_wait_together_are_decrypted_together(tmp_path: Path) -> None:
    slow = Slow()
    site = Site(tmp_path, slow)
    await site.welcomed()
    for offset in (1, 2, 3):
        await site.shell.take(pushed(offset))
    slow.may_go.set()
    await until(lambda: len(site.fed) == 4, 5)
    assert sum(slow.asked) == 3
    assert len(slow.asked) < 3
    await site.shell.disconnect()


async def test_pushes_of_encryption_are_taken_at_once(tmp_path: Path) -> None:
    slow = Slow()
    site = Site(tmp_path, slow)
    await site.welcomed()
    await site.shell.take(pushed(1))
    await site.settled()
    push = frames.ToDevice(
        device="ABCDEFGHIJ", at=AT, username="bob", sender="JIHGFEDCBA", n=1, kind=ToDeviceKind.OLM, body="…"
    )
    await site.shell.take(push)
    assert slow.pushes == [push]
    await site.shell.disconnect()


async def test_without_encryption_an_envelope_is_never_shown_as_text(tmp_path: Path) -> None:
    site = Site(tmp_path, None)
    await site.welcomed()
    await site.shell.take(pushed(1))
    await until(lambda: len(site.fed) == 2, 5)
    [shown] = site.fed[1:]
    assert isinstance(shown, DecryptedMessage)
    assert (shown.content, shown.unreadable) == ("", Unreadable.LOST)


async def test_a_lost_connection_forgets_what_waits(tmp_path: Path) -> None:
    slow = Slow()
    site = Site(tmp_path, slow)
    await site.welcomed()
    await site.shell.take(pushed(1))
    await site.shell.disconnect()
    slow.may_go.set()
    await site.settled()
    assert len(site.fed) == 1
    assert site.bugs == []


class TestReplies:
    async def test_reply_goes_to_the_command_that_it_answers(self) -> None:
        sent: list[bytes] = []
        replies = PendingReplies(sent.append, lambda: None)
        asking = asyncio.create_task(replies.ask_any(frames.Ping(id=0)))
        await asyncio.sleep(0)
        [command] = [msgspec.json.decode(each) for each in sent]
        assert command["id"] >= FIRST_ID
        assert not replies.take(frames.Pong(id=1))
        assert replies.take(frames.Pong(id=command["id"]))
        assert await asking == frames.Pong(id=command["id"])

    async def test_refusal_is_raised(self) -> None:
        replies = PendingReplies(lambda _: None, lambda: None)
        asking = asyncio.create_task(replies.ask_any(frames.Ping(id=0)))
        await asyncio.sleep(0)
        replies.take(frames.ErrorFrame(id=FIRST_ID, code=Code.RECIPIENTS_STALE, detail="Changed."))
        with pytest.raises(ChatError, match="Changed"):
            await asking

    async def test_lost_connection_breaks_what_waits_and_what_follows(self) -> None:
        replies = PendingReplies(lambda _: None, lambda: None)
        asking = asyncio.create_task(replies.ask_any(frames.Ping(id=0)))
        await asyncio.sleep(0)
        replies.close()
        with pytest.raises(LinkBroken):
            await asking
        with pytest.raises(LinkBroken):
            await replies.ask_any(frames.Ping(id=0))


class TestImports:
    @pytest.mark.parametrize(
        "module",
        ["client.commands.chat_commands", "client.commands.outbox_command", "client.cli.dispatch", "client.cli.parser"],
    )
    def test_commands_load_no_cryptography_until_they_need_it(self, module: str) -> None:
        program = (
            f"import sys, {module}; "
            "loaded = {name.partition('.')[0] for name in sys.modules}; "
            "sys.exit(str(loaded & {'vodozemac', 'cryptography'}) if loaded & {'vodozemac', 'cryptography'} else 0)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
