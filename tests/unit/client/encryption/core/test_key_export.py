"""Files of exported keys: Matrix's vectors, round trips, damaged files."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.backup_items import BackupSession
from client.encryption.core.key_export import (
    FOOTER,
    HEADER,
    KeyFileError,
    decrypt,
    encrypt,
    parse_sessions,
    sessions_json,
)

VECTORS = [
    (
        "plain",
        "password",
        "AXNhbHRzYWx0c2FsdHNhbHSIiIiIiIiIiIiIiIiIiIiIAAAACmIRUW2OjZ3L2l6j9h0lHlV3M2dx\ncissyYBxjsfsAndErh065A8=",
    ),
    (
        "Hello, World",
        "betterpassword",
        "AW1vcmVzYWx0bW9yZXNhbHT//////////wAAAAAAAAAAAAAD6KyBpe1Niv5M5NPm4ZATsJo5nghk\nKYu63a0YQ5DRhUWEKk7CcMkrKnAUiZny",
    ),
    (
        "alphanumerically" * 4,
        "SWORDFISH",
        (
            "AXllc3NhbHR5Z29vZG5lc3P//////////wAAAAAAAAAAAAAD6OIW+Je7gwvjd4kYrb+49gKCfExw\n"
            "MgJBMD4mrhLkmgAngwR1pHjbWXaoGybtiAYr0moQ93GrBQsCzPbvl82rZhaXO3iH5uHo/RCEpOqp\n"
            "Pgg29363BGR+/Ripq/VCLKGNbw=="
        ),
    ),
]
"""Of matrix-org/matrix-react-sdk, which wrote them: content, passphrase, file."""
SESSION = BackupSession(
    room_id="!uid:chatterbox",
    session_id="id",
    session_key="key",
    sender_key="curve",
    sender_claimed_keys={"ed25519": "ed"},
    user_id=7,
    username="ada",
    device="ABCDEFGHIJ",
    master="master",
)


@pytest.mark.parametrize(("content", "passphrase", "body"), VECTORS, ids=["short", "longer", "lines"])
def test_files_of_another_program_can_be_read(content: str, passphrase: str, body: str) -> None:
    assert decrypt(f"{HEADER}\n{body}\n{FOOTER}", passphrase).decode() == content


def test_a_file_is_written_as_another_program_writes_it() -> None:
    content, passphrase, body = VECTORS[2]
    written = encrypt(content.encode(), passphrase, b"yessaltygoodness", b"\xff" * 8 + bytes(8), 1000)
    assert written == f"{HEADER}\n{body}\n{FOOTER}\n"


@given(st.binary(max_size=300), st.text(max_size=20), st.binary(min_size=16, max_size=16))
def test_what_is_encrypted_is_decrypted_with_the_same_passphrase_only(
    content: bytes, passphrase: str, salt: bytes
) -> None:
    file = encrypt(content, passphrase, salt, salt[::-1], rounds=1)
    assert decrypt(file, passphrase) == content
    with pytest.raises(KeyFileError, match="Wrong passphrase"):
        decrypt(file, f"{passphrase}.")


@given(st.integers(0, 80))
def test_a_changed_file_is_refused(at: int) -> None:
    _, passphrase, body = VECTORS[0]
    body = body.replace("\n", "")
    damaged = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
    with pytest.raises(KeyFileError):
        decrypt(f"{HEADER}{damaged}{FOOTER}", passphrase)


@given(st.text(max_size=100))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    for file in (text, f"{HEADER}{text}{FOOTER}"):
        with pytest.raises(KeyFileError):
            decrypt(file, "password")


def test_a_file_that_would_take_minutes_is_refused() -> None:
    file = encrypt(b"[]", "password", bytes(16), bytes(16), rounds=1)
    raw = bytearray(b64decode("".join(file.splitlines()[1:-1])))
    raw[33:37] = b"\xff\xff\xff\xff"
    with pytest.raises(KeyFileError, match="rounds"):
        decrypt(f"{HEADER}{b64encode(raw).decode()}{FOOTER}", "password")


class TestSessions:
    def test_sessions_survive_export_and_import(self) -> None:
        assert parse_sessions(sessions_json([SESSION])) == ([SESSION], 0)

    def test_what_matrix_requires_of_an_exported_session_is_in_the_file(self) -> None:
        text = sessions_json([SESSION])
        for field in ("algorithm", "room_id", "session_id", "session_key", "sender_key", "sender_claimed_keys"):
            assert f'"{field}"'.encode() in text

    def test_sessions_of_other_programs_are_counted_and_left_out(self) -> None:
        assert parse_sessions(b'[{"session_id": "x"}, 7, null]') == ([], 3)

    @given(st.binary(max_size=60))
    def test_any_content_is_parsed_or_refused(self, content: bytes) -> None:
        try:
            sessions, _ = parse_sessions(content)
        except KeyFileError:
            return
        assert sessions == []
