"""Logging out against the real server: what becomes of the keys of this computer."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from chatterbox.wire.encryption.key_api import DeviceUpload, OwnDevice
from client.commands import account
from client.commands.keys import logout_keys
from client.context import ClientContext
from client.encryption.device.device_setup import Standing
from client.encryption.device.recovery import new_recovery_key
from client.failures import Failure
from client.net.keys_api import KeysApi
from client.store.key_store_files import key_store_path
from client.store.session_file import SavedSession
from tests.support.key_laptop import Laptop, Laptops, begin_session

FAR_S = 4e9


@pytest.fixture
async def ada(laptop: Laptops, tmp_path: Path) -> Laptop:
    return await laptop("ada", tmp_path / "ada", registers=True)


def context_of(laptop: Laptop) -> ClientContext:
    """The client's files of a laptop, logged in."""
    context = ClientContext(laptop.server.url, laptop.home)
    session = laptop.keys.setup.session
    context.session_file.save(SavedSession(laptop.server.url, "ada", laptop.token, session, FAR_S, FAR_S))
    return context


async def log_out(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> tuple[str, bool]:
    """Log out; returns what was said, and whether there is a key store after that."""
    context = context_of(laptop)
    laptop.close()
    await asyncio.to_thread(account.logout, context)
    said = capsys.readouterr()
    return said.out + said.err, key_store_path(laptop.home, laptop.server.url, "ada").exists()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Answers the question on a terminal."""

    def answer(text: str) -> None:
        terminal = io.StringIO(text)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr(logout_keys, "ask", lambda _: text)

    return answer


async def test_with_everything_in_the_backup_the_keys_are_deleted_and_the_device_is_removed(
    laptop: Laptops, ada: Laptop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_recovery_key()
    await ada.run(ada.keys.recovery.adopt, ada.identity, key)
    row, device = begin_session(ada), ada.identity.device_id
    said, is_there = await log_out(ada, capsys)
    assert "The keys of this computer are deleted." in said
    assert not is_there
    new = await laptop("ada", tmp_path / "new")
    recovered = await new.run(new.keys.recovery.recover, new.identity, key)
    assert len(recovered.restored.arrived) == 1, row
    assert recovered.user is not None
    assert recovered.user.removed == (device,)


async def test_a_user_whom_nothing_would_receive_keys_for_is_asked_first(
    ada: Laptop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does not take the dehydrated device: what others write meanwhile could never be read."""
    await ada.run(ada.keys.recovery.adopt, ada.identity, new_recovery_key())
    put_device = KeysApi.put_device

    def refuses_dehydrated(api: KeysApi, upload: DeviceUpload) -> OwnDevice:
        if upload.dehydrated:
            raise Failure("no answer")
        return put_device(api, upload)

    monkeypatch.setattr(KeysApi, "put_device", refuses_dehydrated)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    said, is_there = await log_out(ada, capsys)
    assert (is_there, "can't be read later" in said) == (True, True)


async def test_keys_of_messages_that_no_backup_has_are_deleted_only_after_a_yes(
    ada: Laptop, answer: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    begin_session(ada)
    answer("n")
    with pytest.raises(Failure, match="still logged in"):
        await log_out(ada, capsys)
    assert "The keys of 1 series of messages are on this computer only." in capsys.readouterr().err
    answer("y")
    await ada.log_in()
    said, is_there = await log_out(ada, capsys)
    assert (is_there, "You have no recovery key" in said) == (False, True)


async def test_without_a_terminal_keys_that_no_backup_has_stay(
    ada: Laptop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    begin_session(ada)
    said, is_there = await log_out(ada, capsys)
    assert (is_there, "The key store stays on this computer." in said) == (True, True)


async def test_a_user_who_never_wrote_encrypted_keeps_the_same_keys(
    ada: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    device = ada.identity.device_id
    _, is_there = await log_out(ada, capsys)
    assert is_there
    await ada.log_in()
    assert ((await ada.set_up()).standing, ada.identity.device_id) == (Standing.READY, device)
