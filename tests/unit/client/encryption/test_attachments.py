import io
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import AttachedFile
from client.encryption import attachments
from client.encryption.attachments import DamagedFile
from client.encryption.core.messages.message_payload import FileKey, FileSecret

# NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt
KEY = "YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3_Q"
IV = "8PHy8/T19vf4+fr7/P3+/w"
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CIPHER = bytes.fromhex(
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
)


def nist_secret() -> FileSecret:
    return FileSecret(key=FileKey(k=KEY), iv=IV, hashes={})


def test_files_are_encrypted_as_the_published_vector_says() -> None:
    assert b"".join(attachments.encrypted(nist_secret(), [PLAIN])) == CIPHER


@given(st.integers(0, len(PLAIN)), st.lists(st.integers(0, 9), max_size=20))
def test_upload_may_be_continued_at_any_byte(offset: int, cuts: list[int]) -> None:
    rest, blocks = PLAIN[offset:], []
    for cut in cuts:
        blocks.append(rest[:cut])
        rest = rest[cut:]
    assert b"".join(attachments.encrypted(nist_secret(), [*blocks, rest], offset)) == CIPHER[offset:]


def test_downloaded_file_is_the_one_that_was_sent() -> None:
    secret = attachments.with_hash(attachments.new_secret(), [PLAIN])
    stored = b"".join(attachments.encrypted(secret, [PLAIN]))
    target = io.BytesIO()
    attachments.decrypt(secret, io.BytesIO(stored), target)
    assert target.getvalue() == PLAIN
    assert PLAIN not in stored


@pytest.mark.parametrize(
    "change", [lambda stored: stored[:-1], lambda stored: bytes([stored[0] ^ 1]) + stored[1:], lambda _: b""]
)
def test_damaged_file_is_refused_and_nothing_is_written(change: object) -> None:
    secret = attachments.with_hash(attachments.new_secret(), [PLAIN])
    stored = b"".join(attachments.encrypted(secret, [PLAIN]))
    target = io.BytesIO()
    with pytest.raises(DamagedFile):
        attachments.decrypt(secret, io.BytesIO(change(stored)), target)  # type: ignore[operator]
    assert target.getvalue() == b""


@pytest.mark.parametrize(
    "secret",
    [
        FileSecret(key=FileKey(k="AAAA"), iv=IV, hashes={}),
        FileSecret(key=FileKey(k=KEY), iv="AAAA", hashes={}),
        FileSecret(key=FileKey(k="not base64!"), iv=IV, hashes={}),
        FileSecret(key=FileKey(k=KEY, alg="none"), iv=IV, hashes={}),
    ],
)
def test_key_that_can_not_be_used_is_refused(secret: FileSecret) -> None:
    with pytest.raises(DamagedFile):
        list(attachments.encrypted(secret, [PLAIN]))


def test_each_file_has_a_key_of_its_own_and_a_counter_at_zero() -> None:
    one, other = attachments.new_secret(), attachments.new_secret()
    assert one.key.k != other.key.k
    assert one.iv != other.iv
    assert one.iv.endswith("AAAAAAAAAA")
    assert (one.v, one.key.alg, one.key.kty) == ("v2", "A256CTR", "oct")


def test_description_has_the_name_that_the_server_never_learns() -> None:
    secret = attachments.with_hash(attachments.new_secret(), [PLAIN])
    uploaded = AttachedFile(id="f1", name=attachments.UPLOAD_NAME, type=attachments.UPLOAD_TYPE, size=len(PLAIN))
    file = attachments.described(uploaded, secret, "plans.pdf", "application/pdf")
    assert (file.id, file.name, file.type, file.size) == ("f1", "plans.pdf", "application/pdf", len(PLAIN))
    assert msgspec.json.decode(msgspec.json.encode(file), type=type(file)) == file


def test_large_file_takes_little_memory() -> None:
    secret = attachments.new_secret()
    block = bytes(attachments.BLOCK_BYTES)
    tracemalloc.start()
    attachments.with_hash(secret, (block for _ in range(500)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000
