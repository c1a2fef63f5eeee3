"""Signing keys and their rotation."""

from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from chatterbox.chassis.token_verifier import REFETCH_S
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Claims
from services.auth.sessions.signing_keys import PUBLISHED_S, KeyRing, SigningKey


@dataclass
class Clock:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(data: Path, clock: Clock) -> KeyRing:
    key_ring = KeyRing(data, clock)
    key_ring.open()
    return key_ring


def published(key_ring: KeyRing) -> set[str]:
    return {key["kid"] for key in key_ring.jwks().keys}


def claims(clock: Clock) -> Claims:
    now_s = int(clock())
    return Claims(sub="7", name="alice", sid="s", jti="j", iat=now_s, exp=now_s + 60)


class TestFirstStart:
    def test_the_first_start_creates_a_key_that_signs_at_once(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        assert published(key_ring) == {key_ring.signing_key().kid}

    def test_key_files_are_readable_by_their_owner_only(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock)
        (file,) = (tmp_path / "auth-keys").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700

    def test_a_restart_keeps_the_signing_key(self, tmp_path: Path, clock: Clock) -> None:
        assert opened(tmp_path, clock).signing_key().kid == opened(tmp_path, clock).signing_key().kid


class TestToken:
    def test_a_token_has_the_documented_header_and_claims(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        token = key_ring.signing_key().sign(claims(clock))
        header = jwt.get_unverified_header(token)
        assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key_ring.signing_key().kid}
        payload = jwt.decode(token, options={"verify_signature": False})
        assert set(payload) == {"iss", "aud", "sub", "name", "sid", "jti", "iat", "exp"}
        assert (payload["iss"], payload["aud"], payload["sub"]) == (auth_api.ISSUER, auth_api.AUDIENCE, "7")

    def test_the_published_key_set_contains_no_private_key(self, tmp_path: Path, clock: Clock) -> None:
        (key,) = opened(tmp_path, clock).jwks().keys
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


class TestRotation:
    def test_a_new_key_is_published_before_it_signs(self, tmp_path: Path, clock: Clock) -> None:
        running = opened(tmp_path, clock)
        old = running.signing_key().kid
        clock.now += 10
        new = KeyRing(tmp_path, clock).add().kid
        assert published(running) == {old, new}
        assert running.signing_key().kid == old
        clock.now += PUBLISHED_S
        assert running.signing_key().kid == new

    def test_a_key_is_published_longer_than_verifiers_wait_between_fetches(self) -> None:
        assert PUBLISHED_S > REFETCH_S

    def test_a_retired_key_is_kept_until_its_last_token_has_expired(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        old = key_ring.signing_key().kid
        clock.now += 10
        new = key_ring.add().kid
        clock.now += PUBLISHED_S + auth_api.MAX_TOKEN_S
        assert published(key_ring) == {old, new}
        clock.now += 3 * auth_api.LEEWAY_S
        assert published(key_ring) == {new}
        key_ring.delete_retired()
        assert [file.stem for file in (tmp_path / "auth-keys").iterdir()] == [new]

    def test_several_rotations_leave_the_newest_key(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        for _ in range(3):
            key_ring.add()
        assert len(published(key_ring)) == 4
        clock.now += PUBLISHED_S + auth_api.MAX_TOKEN_S * 2
        key_ring.delete_retired()
        assert published(key_ring) == {key_ring.signing_key().kid}


class TestDamagedFiles:
    def test_invalid_key_files_are_skipped(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        (tmp_path / "auth-keys" / "zero.json").write_text("{}")
        (tmp_path / "auth-keys" / "bytes.json").write_bytes(b"\xff")
        assert published(key_ring) == {key_ring.signing_key().kid}

    def test_a_deleted_key_is_no_longer_published(self, tmp_path: Path, clock: Clock) -> None:
        key_ring = opened(tmp_path, clock)
        old = key_ring.signing_key().kid
        new = key_ring.add().kid
        (tmp_path / "auth-keys" / f"{old}.json").unlink()
        assert published(key_ring) == {new}

    @pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"d": 1, "made_s": 2}', '{"d": "AAAA", "made_s": 2}'])
    def test_parsing_an_invalid_key_raises_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a signing key"):
            SigningKey.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "[" * 100_000, '{"d":1,"made_s":1}', '{"d":"","made_s":1}', '{"d":"AAAA","made_s":1}',
     '{"d":"ä","made_s":1}', '{"d":"' + "A" * 43 + '","made_s":NaN}', '{"d":"' + "A" * 43 + '","made_s":1e999}',
     '{"d":"' + "A" * 43 + '","made_s":' + "9" * 400 + "}", '{"d":"' + "A" * 43 + '"}'],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_parsing_hostile_key_files_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a signing key"):
        SigningKey.parse(text)


def test_a_serialized_key_parses_to_the_same_key() -> None:
    key = SigningKey.generate(made_s=12.5)
    again = SigningKey.parse(key.serialized())
    assert (again.kid, again.made_s, again.public_jwk()) == (key.kid, 12.5, key.public_jwk())
