import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.encryption.key_api import BackupItem
from client.encryption.core.backup_format import (
    BackupSecrets,
    ItemContent,
    KeyBackupError,
    decrypt_header,
    decrypt_item,
    derived,
    encrypt_header,
    encrypt_item,
)

RECOVERY = bytes(range(16))
HEADER = BackupSecrets(master=b"m" * 32, self_signing=b"s" * 32, item_keys=(b"i" * 32,), generation=1, list_version=4)
NONCE = b"n" * 12
ITEM_RANDOM = b"r" * 28
KEY, OLD_KEY = b"k" * 32, b"o" * 32


class TestKnownAnswers:
    def test_hkdf_gives_the_output_of_rfc_5869_test_case_1(self) -> None:
        info, salt = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), bytes.fromhex("000102030405060708090a0b0c")
        assert derived(b"\x0b" * 22, salt, info, 42).hex() == (
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        )

    def test_hkdf_gives_the_output_of_rfc_5869_test_case_3_without_salt_and_info(self) -> None:
        assert derived(b"\x0b" * 22, None, b"", 42).hex() == (
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        )

    def test_aes_256_gcm_gives_the_output_of_test_case_16_of_its_specification(self) -> None:
        key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
        plain = bytes.fromhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        )
        aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        assert AESGCM(key).encrypt(bytes.fromhex("cafebabefacedbaddecaf888"), plain, aad).hex() == (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b"
        )


class TestHeader:
    def test_opens_with_the_recovery_key(self) -> None:
        text = encrypt_header(RECOVERY, 7, 3, HEADER, NONCE)
        assert decrypt_header(RECOVERY, 7, 3, text) == HEADER
        assert len(text) < 65_536

    @pytest.mark.parametrize(("key", "user_id", "version"), [(bytes(16), 7, 3), (RECOVERY, 8, 3), (RECOVERY, 7, 4)])
    def test_opens_with_no_other_key_user_or_version(self, key: bytes, user_id: int, version: int) -> None:
        text = encrypt_header(RECOVERY, 7, 3, HEADER, NONCE)
        with pytest.raises(KeyBackupError):
            decrypt_header(key, user_id, version, text)

    @given(st.one_of(st.text(), st.text(alphabet="ABCDabcd0123-_").map(lambda text: f"b1.{text}")))
    def test_any_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(KeyBackupError):
            decrypt_header(RECOVERY, 7, 3, text)


class TestItems:
    @given(st.text(max_size=20), st.text(max_size=60), st.binary(max_size=2000))
    def test_an_item_opens_with_its_key(self, kind: str, name: str, value: bytes) -> None:
        content = ItemContent(kind, name, value)
        item = encrypt_item(KEY, content, ITEM_RANDOM)
        assert decrypt_item((KEY,), item) == content
        assert decrypt_item((OLD_KEY, KEY), item) == content
        assert len(item.item) <= 64

    def test_an_item_of_a_former_key_still_opens(self) -> None:
        item = encrypt_item(OLD_KEY, ItemContent("session", "a/b", b"1"), ITEM_RANDOM)
        assert decrypt_item((KEY, OLD_KEY), item).value == b"1"
        with pytest.raises(KeyBackupError):
            decrypt_item((KEY,), item)

    def test_items_can_not_be_exchanged(self) -> None:
        first = encrypt_item(KEY, ItemContent("session", "a/b", b"1"), ITEM_RANDOM)
        second = encrypt_item(KEY, ItemContent("session", "a/c", b"2"), ITEM_RANDOM)
        with pytest.raises(KeyBackupError):
            decrypt_item((KEY,), BackupItem(item=first.item, body=second.body))

    @given(st.text(max_size=64), st.text(max_size=200))
    def test_a_planted_item_is_refused(self, item: str, body: str) -> None:
        with pytest.raises(KeyBackupError):
            decrypt_item((KEY, OLD_KEY), BackupItem(item=item, body=body))

    def test_the_same_name_has_the_same_id_and_another_kind_another(self) -> None:
        first = encrypt_item(KEY, ItemContent("session", "a/b", b"1"), ITEM_RANDOM)
        again = encrypt_item(KEY, ItemContent("session", "a/b", b"2"), b"s" * 28)
        other = encrypt_item(KEY, ItemContent("known", "a/b", b"1"), ITEM_RANDOM)
        assert first.item == again.item != other.item
