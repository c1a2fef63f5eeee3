"""Detection of damaged write-ahead logs, as opposed to logs whose last transaction was cut short by a power failure."""

import io
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.chassis.core.write_ahead_log import is_broken

HEAD_BYTES = 32
FRAME_HEAD_BYTES = 24
FRAME_BYTES = FRAME_HEAD_BYTES + 4096
SECTOR_BYTES = 512
"""The smallest unit that a disk writes atomically."""


class Logs(NamedTuple):
    """A log, and the same log after one more transaction of about 1, 4 and 16 pages."""

    before: bytes
    small: bytes
    middle: bytes
    large: bytes


def _with_transaction(database: Path, rows: int) -> bytes:
    """The log of a copy of this database after one more transaction."""
    copy = database.with_name(f"copy-{rows}")
    for suffix in ("", "-wal"):
        shutil.copy(f"{database}{suffix}", f"{copy}{suffix}")
    return _written(copy, [rows])


def _written(database: Path, transactions: list[int]) -> bytes:
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (text TEXT)")
        for rows in transactions:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO rows VALUES (?)", [("x" * 2000,)] * rows)
            connection.execute("COMMIT")
        log = Path(f"{database}-wal").read_bytes()
        for suffix in ("", "-wal"):  # as a killed process leaves them: closing would checkpoint the log
            shutil.copy(f"{database}{suffix}", f"{database}-left{suffix}")
    finally:
        connection.close()
    return log


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    database = tmp_path_factory.mktemp("log") / "db"
    before = _written(database, [3, 1, 2, 1])
    left = database.with_name("db-left")
    return Logs(before, _with_transaction(left, 1), _with_transaction(left, 8), _with_transaction(left, 32))


def broken(log: bytes) -> bool:
    return is_broken(io.BytesIO(log))


def flipped(log: bytes, bit: int) -> bytes:
    return log[: bit // 8] + bytes([log[bit // 8] ^ 1 << bit % 8]) + log[bit // 8 + 1 :]


def stale(*layers: bytes) -> bytes:
    """The content of the file after each layer was written over the previous one."""
    file = b""
    for layer in layers:
        file = layer + file[len(layer) :]
    return file


def test_an_intact_log_is_not_broken(logs: Logs) -> None:
    assert not any(map(broken, logs))
    assert logs.small.startswith(logs.before)
    assert logs.large.startswith(logs.before)
    assert len(logs.small) < len(logs.middle) < len(logs.large)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_before_the_last_transaction_is_detected(logs: Logs, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(logs.before) - 1))
    assert broken(flipped(logs.middle, bit))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_in_the_last_transaction_looks_like_a_power_failure(logs: Logs, data: st.DataObject) -> None:
    frame = data.draw(st.sampled_from(range(len(logs.before), len(logs.middle), FRAME_BYTES)))
    bit = data.draw(st.integers(8 * FRAME_HEAD_BYTES, 8 * FRAME_BYTES - 1))
    assert not broken(flipped(logs.middle, 8 * frame + bit))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_truncated_log_looks_like_a_power_failure(logs: Logs, data: st.DataObject) -> None:
    assert not broken(logs.large[: data.draw(st.integers(0, len(logs.large)))])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_remains_of_earlier_failed_transactions_are_not_damage(logs: Logs, data: st.DataObject) -> None:
    """Several failures in ever shorter transactions: the ends of the longer ones remain, each with its commit frame."""
    file = stale(logs.large, logs.middle, logs.small)
    torn = data.draw(st.integers(len(logs.before) // SECTOR_BYTES + 1, len(logs.small) // SECTOR_BYTES)) * SECTOR_BYTES
    assert not broken(file)
    assert not broken(file[:torn] + logs.large[torn:])
    assert not broken(logs.large[:torn] + file[torn:])


def test_a_zeroed_frame_is_detected_unless_it_is_the_last_of_the_second_last_transaction(logs: Logs) -> None:
    """There, it looks as if the last two transactions were one."""
    last = len(logs.before) - FRAME_BYTES
    for start in range(HEAD_BYTES, last, FRAME_BYTES):
        assert broken(logs.large[:start] + bytes(FRAME_BYTES) + logs.large[start + FRAME_BYTES :])
    assert not broken(logs.large[:last] + bytes(FRAME_BYTES) + logs.large[len(logs.before) :])
