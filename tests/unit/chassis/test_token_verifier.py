"""Token verification: claims, expiry, forgeries, revocations, keys."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatterbox.chassis import token_verifier
from chatterbox.chassis.token_verifier import REFETCH_S, TokenVerifier, bearer
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Jwks
from chatterbox.wire.errors import ChatError, Code

NOW_S = 1_790_000_000

CLAIMS: dict[str, Any] = {
    "iss": auth_api.ISSUER,
    "aud": auth_api.AUDIENCE,
    "sub": "7",
    "name": "alice",
    "sid": "s1",
    "jti": "j1",
    "iat": NOW_S,
    "exp": NOW_S + 3600,
}


class Issuer:
    """Auth as seen by a verifier: its keys by `kid`, and how often they were fetched."""

    def __init__(self) -> None:
        self.keys = {"k1": Ed25519PrivateKey.generate()}
        self.fetched = 0
        self.is_down = False
        self.now_s: float = NOW_S
        self.clock_s = 0.0
        self.verifier = TokenVerifier(self.jwks, lambda: self.now_s, lambda: self.clock_s)

    async def jwks(self) -> Jwks:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        return Jwks([{**self._public(key), "kid": kid} for kid, key in self.keys.items()])

    def _public(self, key: Ed25519PrivateKey) -> dict[str, str]:
        return jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)

    def token(self, *, kid: str = "k1", headers: dict[str, Any] | None = None, **changed: Any) -> str:
        return self.token_of(changed, kid, headers or {})

    def token_of(self, changed: dict[str, Any], kid: str = "k1", headers: dict[str, Any] | None = None) -> str:
        """A token with changed claims; a claim changed to `...` is omitted."""
        claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not ...}
        head = {"kid": kid, "typ": auth_api.TYPE, **(headers or {})}
        return jwt.encode(claims, self.keys[kid], auth_api.ALGORITHM, headers=head)

    async def refusal(self, token: str) -> Code:
        with pytest.raises(ChatError) as refused:
            await self.verifier.verify(token)
        return refused.value.code


def handmade_token(header: dict[str, Any], key: bytes = b"") -> str:
    """A token that JWT libraries refuse to create."""
    signed = b".".join(map(_encoded, (json.dumps(header).encode(), json.dumps(CLAIMS).encode())))
    signature = hmac.digest(key, signed, hashlib.sha256) if key else b""
    return (signed + b"." + _encoded(signature)).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_verify_returns_the_claims(issuer: Issuer) -> None:
    claims = await issuer.verifier.verify(issuer.token())
    assert (claims.user_id, claims.name, claims.sid, claims.exp) == (7, "alice", "s1", NOW_S + 3600)


class TestTime:
    async def test_a_token_is_valid_until_its_expiry_plus_leeway(self, issuer: Issuer) -> None:
        token = issuer.token(exp=NOW_S + 60)
        issuer.now_s = NOW_S + 60 + auth_api.LEEWAY_S - 0.1
        await issuer.verifier.verify(token)
        issuer.now_s = NOW_S + 60 + auth_api.LEEWAY_S
        assert await issuer.refusal(token) == Code.TOKEN_EXPIRED

    async def test_a_token_issued_in_the_future_is_refused(self, issuer: Issuer) -> None:
        await issuer.verifier.verify(issuer.token(iat=NOW_S + auth_api.LEEWAY_S))
        early = issuer.token(iat=NOW_S + auth_api.LEEWAY_S + 1)
        assert await issuer.refusal(early) == Code.TOKEN_INVALID
        with pytest.raises(ChatError, match="the server's clocks differ"):
            await issuer.verifier.verify(early)


class TestForgeries:
    async def test_a_token_signed_by_a_foreign_key_is_refused(self, issuer: Issuer) -> None:
        assert await issuer.refusal(Issuer().token()) == Code.TOKEN_INVALID

    @pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", None])
    async def test_an_unsigned_token_is_refused(self, issuer: Issuer, alg: str | None) -> None:
        header = {"alg": alg, "typ": auth_api.TYPE, "kid": "k1"}
        assert await issuer.refusal(handmade_token(header)) == Code.TOKEN_INVALID

    @pytest.mark.parametrize(
        ("encoding", "form"),
        [
            (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            (Encoding.Raw, PublicFormat.Raw),
        ],
        ids=["pem", "der", "raw"],
    )
    async def test_hs256_with_the_public_key_as_secret_is_refused(
        self, issuer: Issuer, encoding: Encoding, form: PublicFormat
    ) -> None:
        public = issuer.keys["k1"].public_key().public_bytes(encoding, form)
        assert await issuer.refusal(handmade_token({"alg": "HS256", "typ": auth_api.TYPE, "kid": "k1"}, public)) == (
            Code.TOKEN_INVALID
        )

    async def test_a_token_that_embeds_its_key_is_refused(self, issuer: Issuer) -> None:
        foreign = Issuer()
        own = {"jwk": foreign._public(foreign.keys["k1"]), "jku": "http://evil.example/jwks"}
        assert await issuer.refusal(foreign.token(headers=own)) == Code.TOKEN_INVALID

    async def test_a_token_with_a_changed_payload_is_refused(self, issuer: Issuer) -> None:
        head, _, signature = issuer.token().split(".")
        payload = _encoded(json.dumps({**CLAIMS, "sub": "1"}).encode()).decode()
        assert await issuer.refusal(f"{head}.{payload}.{signature}") == Code.TOKEN_INVALID

    @pytest.mark.parametrize(
        "headers",
        [{"typ": "JWT"}, {"typ": None}, {"kid": 1}, {"kid": None}, {"crit": ["x"], "x": 1}, {"b64": False}],
        ids=str,
    )
    async def test_a_token_with_an_unexpected_header_is_refused(self, issuer: Issuer, headers: dict[str, Any]) -> None:
        try:
            token = issuer.token(headers=headers)
        except (TypeError, jwt.PyJWTError):
            token = handmade_token({"alg": auth_api.ALGORITHM, "typ": auth_api.TYPE, **headers})
        assert await issuer.refusal(token) == Code.TOKEN_INVALID

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "\ud800", "x" * 4096, "e30.e30.e30"])
    async def test_text_that_is_not_a_token_is_refused_without_a_fetch(self, issuer: Issuer, token: str) -> None:
        assert await issuer.refusal(token) == Code.TOKEN_INVALID
        assert issuer.fetched == 0

    async def test_a_too_long_token_is_refused_without_a_fetch(self, issuer: Issuer) -> None:
        assert await issuer.refusal(issuer.token(name="x" * auth_api.MAX_CHARS)) == Code.TOKEN_INVALID
        assert issuer.fetched == 0


class TestClaims:
    @pytest.mark.parametrize("claim", sorted(CLAIMS))
    async def test_a_token_without_a_required_claim_is_refused(self, issuer: Issuer, claim: str) -> None:
        assert await issuer.refusal(issuer.token_of({claim: ...})) == Code.TOKEN_INVALID

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            ("aud", "another-service"),
            ("aud", []),
            ("iss", "another-service"),
            ("exp", str(NOW_S + 3600)),
            ("exp", NOW_S + 0.5),
            ("exp", True),
            ("exp", None),
            ("iat", str(NOW_S)),
            ("sid", 1),
            ("sub", "-7"),
            ("sub", "seven"),
            ("sub", "\u0667"),
            ("sub", ""),
            ("name", ["alice"]),
        ],
    )
    async def test_a_token_with_an_invalid_claim_is_refused(self, issuer: Issuer, claim: str, value: object) -> None:
        assert await issuer.refusal(issuer.token_of({claim: value})) == Code.TOKEN_INVALID


class TestLifetime:
    @pytest.mark.parametrize("lifetime_s", [1, 60, auth_api.MAX_TOKEN_S])
    async def test_a_token_of_an_allowed_lifetime_is_accepted(self, issuer: Issuer, lifetime_s: int) -> None:
        assert (await issuer.verifier.verify(issuer.token(iat=NOW_S, exp=NOW_S + lifetime_s))).exp == NOW_S + lifetime_s

    @pytest.mark.parametrize("lifetime_s", [-60, 0, auth_api.MAX_TOKEN_S + 1, 86_400 * 365, 10**15])
    async def test_a_token_of_another_lifetime_is_refused(self, issuer: Issuer, lifetime_s: int) -> None:
        token = issuer.token(iat=NOW_S - 1, exp=NOW_S - 1 + lifetime_s)
        assert await issuer.refusal(token) == Code.TOKEN_INVALID


class TestRevocation:
    async def test_a_revocation_refuses_all_tokens_of_its_session_only(self, issuer: Issuer) -> None:
        issuer.verifier.revoke(["s1"])
        assert await issuer.refusal(issuer.token()) == Code.SESSION_ENDED
        assert await issuer.refusal(issuer.token(jti="j2")) == Code.SESSION_ENDED
        assert (await issuer.verifier.verify(issuer.token(sid="s2"))).sid == "s2"

    async def test_a_revocation_is_kept_until_no_token_can_be_valid(self, issuer: Issuer) -> None:
        longest_s = auth_api.MAX_TOKEN_S + 2 * auth_api.LEEWAY_S
        issuer.verifier.revoke(["s1"])
        issuer.clock_s = longest_s
        issuer.verifier.revoke(["s2"])
        issuer.verifier.forget_revocations()
        assert issuer.verifier.is_revoked("s1")
        issuer.verifier.revoke(["s1"])  # repeated
        issuer.clock_s += 1
        issuer.verifier.forget_revocations()
        assert issuer.verifier.revocations == 1
        assert issuer.verifier.is_revoked("s2")

    async def test_a_wall_clock_jump_does_not_undo_a_revocation(self, issuer: Issuer) -> None:
        issuer.verifier.revoke(["s1"])
        issuer.now_s += 86_400
        issuer.verifier.revoke(["s2"])
        issuer.verifier.forget_revocations()
        issuer.now_s -= 86_400
        assert await issuer.refusal(issuer.token()) == Code.SESSION_ENDED


class TestKeys:
    async def test_signing_keys_are_fetched_once_for_many_tokens(self, issuer: Issuer) -> None:
        for _ in range(3):
            await issuer.verifier.verify(issuer.token())
        assert issuer.fetched == 1

    async def test_concurrent_verifications_share_one_fetch(self, issuer: Issuer) -> None:
        await asyncio.gather(*(issuer.verifier.verify(issuer.token()) for _ in range(20)))
        assert issuer.fetched == 1

    async def test_unknown_keys_are_fetched_every_30_s_at_most(self, issuer: Issuer) -> None:
        await issuer.verifier.verify(issuer.token())
        forger = Issuer()
        forger.keys["k9"] = Ed25519PrivateKey.generate()
        issuer.clock_s += REFETCH_S
        for _ in range(50):
            assert await issuer.refusal(forger.token(kid="k9")) == Code.TOKEN_INVALID
        assert issuer.fetched == 2
        issuer.clock_s += REFETCH_S
        assert await issuer.refusal(forger.token(kid="k9")) == Code.TOKEN_INVALID
        assert issuer.fetched == 3

    async def test_tokens_of_old_and_new_key_are_valid_during_rotation(self, issuer: Issuer) -> None:
        old = issuer.token()
        await issuer.verifier.verify(old)
        issuer.keys["k2"] = Ed25519PrivateKey.generate()
        issuer.clock_s += REFETCH_S
        await issuer.verifier.verify(issuer.token(kid="k2"))
        await issuer.verifier.verify(old)

    async def test_tokens_of_a_withdrawn_key_are_refused(self, issuer: Issuer) -> None:
        old = issuer.token()
        await issuer.verifier.verify(old)
        issuer.keys = {"k2": Ed25519PrivateKey.generate()}
        await issuer.verifier.refresh()
        assert await issuer.refusal(old) == Code.TOKEN_INVALID

    async def test_a_failed_fetch_is_retried(self, issuer: Issuer) -> None:
        issuer.is_down = True
        assert await issuer.refusal(issuer.token()) == Code.UNAVAILABLE
        issuer.is_down = False
        await issuer.verifier.verify(issuer.token())


class TestBearer:
    @pytest.mark.parametrize("header", ["Bearer t", "bearer t", "BEARER  t "])
    def test_the_token_is_read_from_the_authorization_header(self, header: str) -> None:
        assert bearer(header) == "t"

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (None, Code.TOKEN_MISSING),
            ("", Code.TOKEN_MISSING),
            ("Bearer", Code.TOKEN_INVALID),
            ("Bearer  ", Code.TOKEN_INVALID),
            ("Basic dTpw", Code.TOKEN_INVALID),
            ("t", Code.TOKEN_INVALID),
        ],
    )
    def test_a_malformed_authorization_header_is_refused(self, header: str | None, code: Code) -> None:
        with pytest.raises(ChatError) as refused:
            bearer(header)
        assert refused.value.code == code


@pytest.mark.parametrize("key", [{}, {"kid": "k2"}, {"kid": "k2", "kty": "OKP", "crv": "Ed25519", "x": "?"}], ids=str)
async def test_unsupported_keys_make_auth_unavailable(key: dict[str, str]) -> None:
    async def jwks() -> Jwks:
        return Jwks([key])

    with pytest.raises(ChatError) as refused:
        await TokenVerifier(jwks, lambda: NOW_S).verify(Issuer().token())
    assert refused.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize("part", [b"[" * 3000, b'{"a":' * 500, b"\xff", b"null", b"1e999", b'"\\ud800"', b""])
async def test_a_token_with_an_unparsable_header_is_refused(issuer: Issuer, part: bytes) -> None:
    assert await issuer.refusal(f"{_encoded(part).decode()}.e30.AA") == Code.TOKEN_INVALID


class TestVerifiedTokenCache:
    """A verified token is cached: no signature check, but all other checks."""

    async def test_a_cached_token_needs_no_key(self, issuer: Issuer) -> None:
        token = issuer.token()
        first = await issuer.verifier.verify(token)
        issuer.verifier._keys = {}
        assert await issuer.verifier.verify(token) is first

    async def test_a_cached_token_expires(self, issuer: Issuer) -> None:
        token = issuer.token(exp=NOW_S + 60)
        await issuer.verifier.verify(token)
        issuer.now_s = NOW_S + 60 + auth_api.LEEWAY_S
        assert await issuer.refusal(token) == Code.TOKEN_EXPIRED

    async def test_a_cached_token_is_refused_after_revocation(self, issuer: Issuer) -> None:
        token = issuer.token()
        await issuer.verifier.verify(token)
        issuer.verifier.revoke(["s1"])
        assert await issuer.refusal(token) == Code.SESSION_ENDED

    async def test_a_cached_token_is_refused_after_its_key_is_withdrawn(self, issuer: Issuer) -> None:
        token = issuer.token()
        await issuer.verifier.verify(token)
        issuer.keys = {"k2": Ed25519PrivateKey.generate()}
        await issuer.verifier.refresh()
        assert await issuer.refusal(token) == Code.TOKEN_INVALID

    async def test_a_cached_signature_does_not_validate_other_claims(self, issuer: Issuer) -> None:
        token, other = issuer.token(), issuer.token(sub="1", name="root")
        await issuer.verifier.verify(token)
        forged = ".".join([*other.split(".")[:2], token.split(".")[2]])
        assert await issuer.refusal(forged) == Code.TOKEN_INVALID

    async def test_the_cache_of_verified_tokens_is_bounded(
        self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(token_verifier, "VERIFIED_TOKENS", 2)
        for number in range(4):
            await issuer.verifier.verify(issuer.token(jti=f"j{number}"))
        assert [claims.jti for claims in issuer.verifier._verified.values()] == ["j2", "j3"]
