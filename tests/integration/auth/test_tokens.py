"""Forged and expired tokens, and key rotation while auth is running."""

import hmac
import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import Claims
from services.auth.sessions.signing_keys import PUBLISHED_S, KeyRing
from tests.support.auth_site import AuthSite, bearing, payload_of, refusal, running, sid_of


def packed(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hmac_signed(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    signed = f"{packed(header)}.{packed(payload)}"
    return f"{signed}.{urlsafe_b64encode(hmac.digest(secret, signed.encode(), sha256)).rstrip(b'=').decode()}"


class TestForgeries:
    async def test_every_forged_token_is_refused(self, site: AuthSite) -> None:
        token = await site.registered()
        payload, key = payload_of(token), site.auth.key_ring.signing_key()
        header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
        foreign = Ed25519PrivateKey.generate()
        public = key.private.public_key().public_bytes_raw()

        def signed(**changes: Any) -> str:
            changed = {name: value for name, value in {**payload, **changes}.items() if value is not None}
            return jwt.encode(changed, key.private, "EdDSA", header)

        forged = {
            "alg none": f"{packed({**header, 'alg': 'none'})}.{packed(payload)}.",
            "HS256 with the public key": hmac_signed({**header, "alg": "HS256"}, payload, public),
            "EdDSA in the header, HMAC below": hmac_signed(header, payload, public),
            "signed with another key": jwt.encode(payload, foreign, "EdDSA", header),
            "another key's kid": jwt.encode(payload, foreign, "EdDSA", {**header, "kid": "other"}),
            "no kid": jwt.encode(payload, key.private, "EdDSA", {"typ": "at+jwt"}),
            "kid with a path": jwt.encode(payload, foreign, "EdDSA", {**header, "kid": "../../x"}),
            "typ of another kind": jwt.encode(payload, key.private, "EdDSA", {**header, "typ": "JWT"}),
            "unknown crit": jwt.encode(payload, key.private, "EdDSA", {**header, "crit": ["x"], "x": 1}),
            "payload changed": token.split(".")[0] + "." + packed({**payload, "sub": "2"}) + "." + token.split(".")[2],
            "signature cut": token[:-4],
            "wrong audience": signed(aud="other"),
            "wrong issuer": signed(iss="other"),
            "issued in the future": signed(iat=payload["iat"] + 60),
            "exp as text": signed(exp=str(payload["exp"])),
            "sub as a number": signed(sub=1),
            "sub of foreign digits": signed(sub="\u0661"),
            **{f"without {name}": signed(**{name: None}) for name in payload},
            "too long": signed(name="x" * 5000),
            "not a token": "x",
        }
        for case, forgery in forged.items():
            assert refusal(await site.sessions(forgery)) == (401, "token_invalid"), case

    async def test_a_signed_token_of_an_unknown_session_is_refused(self, site: AuthSite) -> None:
        payload = payload_of(await site.registered())
        claims = Claims(sub="1", name="alice", sid="f" * 32, jti="j", iat=payload["iat"], exp=payload["exp"])
        token = site.auth.key_ring.signing_key().sign(claims)
        assert refusal(await site.sessions(token)) == (401, "session_ended")


class TestExpiry:
    async def test_a_token_is_accepted_until_its_expiry_plus_leeway(self, tmp_path: Path) -> None:
        async with running(tmp_path, token_s=3) as site:
            token = await site.registered()
            site.clock.now += 7
            assert (await site.sessions(token)).status_code == 200
            site.clock.now += 1
            assert refusal(await site.sessions(token)) == (401, "token_expired")


class TestAuthorizationHeader:
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "token_missing"),
            ({"Authorization": ""}, "token_missing"),
            ({"Authorization": "Bearer"}, "token_invalid"),
            ({"Authorization": "Bearer  "}, "token_invalid"),
            ({"Authorization": "Basic YWxpY2U6eA=="}, "token_invalid"),
        ],
    )
    async def test_a_missing_or_malformed_authorization_header_gets_401(
        self, site: AuthSite, headers: dict[str, str], code: str
    ) -> None:
        for method, path in (("GET", "/sessions"), ("DELETE", "/sessions"), ("POST", "/logout"), ("POST", "/renew")):
            response = await site.http.request(method, path, headers=headers)
            assert refusal(response) == (401, code)
            assert response.headers["WWW-Authenticate"] == "Bearer"

    async def test_the_bearer_scheme_is_case_insensitive(self, site: AuthSite) -> None:
        headers = {"Authorization": f"bEARER {await site.registered()}"}
        assert (await site.http.get("/sessions", headers=headers)).status_code == 200


class TestKeyRotation:
    async def test_key_rotation_keeps_all_sessions(self, site: AuthSite) -> None:
        elsewhere = TokenVerifier(site.internal.jwks, site.clock, site.clock)
        token = await site.registered()
        await elsewhere.verify(token)
        site.clock.now += 100
        new = KeyRing(site.data, site.clock).add()
        site.clock.now += PUBLISHED_S
        later = await site.login()
        assert jwt.get_unverified_header(later)["kid"] == new.kid
        for either in (token, later):
            assert (await site.sessions(either)).status_code == 200
            assert (await elsewhere.verify(either)).sid == sid_of(either)

    async def test_key_rotation_keeps_all_sessions_while_unknown_keys_are_presented(self, site: AuthSite) -> None:
        elsewhere = TokenVerifier(site.internal.jwks, site.clock, site.clock)
        token = await site.registered()
        bogus = jwt.encode({}, Ed25519PrivateKey.generate(), "EdDSA", {"kid": "bogus", "typ": "at+jwt"})
        KeyRing(site.data, site.clock).add()
        for _ in range(4 * PUBLISHED_S):
            with pytest.raises(Exception, match="token_invalid"):
                await elsewhere.verify(bogus)
            site.clock.now += 0.5
            token = (await site.http.post("/renew", headers=bearing(token))).json()["token"]
            await elsewhere.verify(token)
