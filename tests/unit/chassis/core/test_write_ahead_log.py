"""A log that is damaged before its end is told from one whose last transaction the power has cut short."""

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
"""A disk writes this much or nothing."""


class Logs(NamedTuple):
    """One log, and what it becomes by a last transaction of one, of four and of sixteen pages or so."""

    before: bytes
    small: bytes
    middle: bytes
    large: bytes


def _goes_on(database: Path, rows: int) -> bytes:
    """The log of a copy of this database, and of its log, after one more transaction."""
    copy = database.with_name(f"copy-{rows}")
    for suffix in ("", "-wal"):
        shutil.copy(f"{database}{suffix}", f"{copy}{suffix}")
    return _written(copy, [rows])


def _written(database: Path, transactions: list[int]) -> bytes:
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS said (words TEXT)")
        for rows in transactions:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO said VALUES (?)", [("x" * 2000,)] * rows)
            connection.execute("COMMIT")
        log = Path(f"{database}-wal").read_bytes()
        for suffix in ("", "-wal"):  # as a process leaves them that is killed: closing folds the log
            shutil.copy(f"{database}{suffix}", f"{database}-left{suffix}")
    finally:
        connection.close()
    return log


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    database = tmp_path_factory.mktemp("log") / "db"
    before = _written(database, [3, 1, 2, 1])
    left = database.with_name("db-left")
    return Logs(before, _goes_on(left, 1), _goes_on(left, 8), _goes_on(left, 32))


def broken(log: bytes) -> bool:
    return is_broken(io.BytesIO(log))


def flipped(log: bytes, bit: int) -> bytes:
    return log[: bit // 8] + bytes([log[bit // 8] ^ 1 << bit % 8]) + log[bit // 8 + 1 :]


def stale(*layers: bytes) -> bytes:
    """What is in the file when each of these was written over what the one before it left."""
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
    """The power, or the disk, failed in ever shorter transactions: their ends are still there, each with its commit."""
    file = stale(logs.large, logs.middle, logs.small)
    torn = data.draw(st.integers(len(logs.before) // SECTOR_BYTES + 1, len(logs.small) // SECTOR_BYTES)) * SECTOR_BYTES
    assert not broken(file)
    assert not broken(file[:torn] + logs.large[torn:])
    assert not broken(logs.large[:torn] + file[torn:])


def test_a_zeroed_frame_is_detected_unless_it_is_the_last_of_the_second_last_transaction(logs: Logs) -> None:
    """It then hides that the two are not one."""
    last = len(logs.before) - FRAME_BYTES
    for start in range(HEAD_BYTES, last, FRAME_BYTES):
        assert broken(logs.large[:start] + bytes(FRAME_BYTES) + logs.large[start + FRAME_BYTES :])
    assert not broken(logs.large[:last] + bytes(FRAME_BYTES) + logs.large[len(logs.before) :])
