"""What a device reads is found by its search: what came, was edited, deleted, or is read in the background."""

import msgspec

from client.encryption.search.covered_offsets import CoveredRange, OffsetRange
from client.encryption.search.local_search import LocalSearch
from client.encryption.search.search_index import Reach
from client.encryption.store.key_store import KeyStore, Table
from tests.support.encryption_model import EPOCH, ModelDevice, ModelServer


def search_of(device: ModelDevice) -> LocalSearch:
    search = LocalSearch(lambda: KeyStore(device.folder / "store.sqlite3", device.key))
    search.refresh()
    return search


def found(device: ModelDevice, typed: str) -> list[tuple[int, str]]:
    search = search_of(device)
    try:
        return [(each.offset, each.text) for each in search.find(typed, device.server.room.name)]
    finally:
        search.close()


async def test_what_was_read_is_found_after_a_restart(server: ModelServer) -> None:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    await ada.say("the quick fox")
    await ada.say("a slow dog")
    await bob.read()
    await bob.restart()
    assert found(bob, "qui") == [(1, "the quick fox")]


async def test_program_that_ends_leaves_a_short_journal(server: ModelServer) -> None:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    for number in range(40):
        await ada.say(f"message {number}")
    for _ in range(6):
        await bob.read()
    assert len(await bob.store.run(lambda transaction: transaction.names(Table.MESSAGES))) == 6
    await bob.restart()
    assert len(await bob.store.run(lambda transaction: transaction.names(Table.MESSAGES))) == 1
    assert len(found(bob, "message")) == 40


async def test_deleted_message_is_not_found_any_more(server: ModelServer) -> None:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    sent = await ada.say("correct horse")
    await bob.read()
    await bob.read(msgspec.structs.replace(sent, content="", deleted=True, rev=1))
    assert found(bob, "horse") == []


async def test_history_that_is_read_for_search_is_found_and_changes_nothing_that_is_shown(server: ModelServer) -> None:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    for number in range(30):
        await ada.say(f"message {number}")
    await bob.read(*server.messages[20:])
    window = bob.encryption._messages.window(server.room.uid)
    assert window is not None
    held = dict(window._held)
    heads = [(server.room, server.messages[-1].at)]
    [(room, missing)] = await bob.encryption.not_indexed(heads)
    assert missing == CoveredRange(EPOCH, OffsetRange(1, 20))
    await bob.encryption.index(room, server.messages[10:20], CoveredRange(EPOCH, OffsetRange(11, 20)))
    assert found(bob, '"message 12"') == [(13, "message 12")]
    assert search_of(bob).reach(server.room.name) == Reach(11, server.messages[10].timestamp, 0)
    await bob.encryption.index(room, [], CoveredRange(EPOCH, OffsetRange(1, 10)))
    assert await bob.encryption.not_indexed(heads) == []
    assert (window._held, bob.shown) == (held, [])
