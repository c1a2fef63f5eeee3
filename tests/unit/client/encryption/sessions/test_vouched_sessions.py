"""Copies of a session that its author gave, and those that another member vouches for."""

from collections.abc import Iterator
from contextlib import closing
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
import vodozemac

from client.encryption.core.backup_items import BackupSession
from client.encryption.sessions import room_sessions
from client.encryption.sessions.base64_text import to_url
from client.encryption.sessions.room_sessions import InboundRecord
from client.encryption.store.key_store import KEY_BYTES, KeyStore, StoreTransaction, Table
from tests.support.encryption.forged_sessions import other_ratchet

UID, DEVICE = "U" * 22, "BBBBBBBBB2"


class SessionOfBob:
    """A session of bob, and copies of it from any index on."""

    def __init__(self) -> None:
        group = vodozemac.GroupSession()
        self._whole = vodozemac.InboundGroupSession(group.session_key)
        self.id = self._whole.session_id

    def copy(self, index: int, *, key_from: str = "") -> BackupSession:
        exported = self._whole.export_at(index)
        assert exported is not None
        return BackupSession(
            room_id=f"!{UID}:chatterbox",
            session_id=self.id,
            session_key=exported.to_base64(),
            sender_key="curve",
            sender_claimed_keys={"ed25519": "ed"},
            user_id=2,
            username="bob",
            device=DEVICE,
            master="master",
            first_index=index,
            key_from=key_from,
        )

    def forged(self, index: int, *, key_from: str) -> BackupSession:
        """A copy under the same id that opens nothing."""
        copy = self.copy(0, key_from=key_from)
        return msgspec.structs.replace(copy, session_key=other_ratchet(copy.session_key, index), first_index=index)

    def held(self, transaction: StoreTransaction) -> BackupSession | None:
        row = room_sessions.inbound_row(UID, to_url(self.id), DEVICE)
        return room_sessions.export_session(transaction, row)


@pytest.fixture
def transaction(tmp_path: Path) -> Iterator[StoreTransaction]:
    with closing(KeyStore(tmp_path / "keys.sqlite3", bytes(KEY_BYTES))) as store, store.transaction() as transaction:
        yield transaction


@pytest.fixture
def session() -> SessionOfBob:
    return SessionOfBob()


def take(transaction: StoreTransaction, *copies: BackupSession) -> list[bool]:
    """Whether more could be read by each of them."""
    return [bool(room_sessions.import_session(transaction, each, backed_up=False)) for each in copies]


def test_what_reaches_further_back_is_of_the_author_if_it_leads_to_the_copy_of_the_author(
    transaction: StoreTransaction, session: SessionOfBob
) -> None:
    assert take(transaction, session.copy(5), session.copy(0, key_from="ada")) == [True, True]
    assert session.held(transaction) == session.copy(0)


def test_the_order_in_which_copies_come_makes_no_difference(
    transaction: StoreTransaction, session: SessionOfBob
) -> None:
    copies = (session.copy(5), session.copy(2, key_from="ada"), session.copy(3, key_from="cyd"))
    for order in permutations(copies):
        take(transaction, *order)
        assert session.held(transaction) == session.copy(2)
        transaction.delete(Table.INBOUND, room_sessions.inbound_row(UID, to_url(session.id), DEVICE))


@pytest.mark.parametrize("index", [0, 5, 9])
def test_a_forged_copy_never_takes_the_place_of_the_copy_of_the_author(
    transaction: StoreTransaction, session: SessionOfBob, index: int
) -> None:
    assert take(transaction, session.copy(5), session.forged(index, key_from="ada")) == [True, False]
    assert session.held(transaction) == session.copy(5)


def test_the_copy_of_the_author_takes_the_place_of_a_forged_one(
    transaction: StoreTransaction, session: SessionOfBob
) -> None:
    assert take(transaction, session.forged(0, key_from="ada"), session.copy(5)) == [True, True]
    assert session.held(transaction) == session.copy(5)


def test_of_two_members_who_contradict_each_other_the_first_one_counts(
    transaction: StoreTransaction, session: SessionOfBob
) -> None:
    take(transaction, session.copy(3, key_from="ada"), session.forged(0, key_from="cyd"))
    assert session.held(transaction) == session.copy(3, key_from="ada")


def test_who_gave_the_key_is_kept_with_the_session(transaction: StoreTransaction, session: SessionOfBob) -> None:
    take(transaction, session.copy(3, key_from="ada"))
    row = room_sessions.inbound_row(UID, to_url(session.id), DEVICE)
    record = room_sessions.inbound(transaction, row)
    assert isinstance(record, InboundRecord)
    assert record.key_from == "ada"
