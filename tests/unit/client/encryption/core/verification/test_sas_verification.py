"""Verification: every step, in every order, against vodozemac's own `Sas`, and against a server that interferes."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import vodozemac
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.encryption.device_keys import signed_part
from client.encryption.core.verification import sas_crypto, sas_verification
from client.encryption.core.verification.sas_verification import (
    DEVICE,
    LIFETIME_MS,
    MASTER,
    OutgoingStep,
    VerificationStep,
)
from client.encryption.core.verification.verification_state import (
    Party,
    VerificationEnd,
    VerificationPhase,
    VerificationState,
)

NOW_MS = 1_800_000_000_000
Content = dict[str, Any]


def key(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).rstrip(b"=").decode()


def party(name: str, number: int) -> Party:
    return Party(
        user=f"@{number}:chatterbox", device=name.upper(), device_key=key(f"{name} device"), master_key=key(name)
    )


ADA, BOB = party("ada", 1), party("bob", 2)


def state(mine: Party, theirs: Party, phase: VerificationPhase, required: str = MASTER) -> VerificationState:
    asked = {theirs.device: theirs.device_key} if phase is VerificationPhase.REQUESTED else {}
    if phase is VerificationPhase.REQUESTED:
        theirs = msgspec.structs.replace(theirs, device="", device_key="")
    return VerificationState(
        transaction="t1",
        username="other",
        mine=mine,
        theirs=theirs,
        asked=asked,
        required=required,
        phase=phase,
        private_key=hashlib.sha256(mine.device.encode()).digest(),
        until_ms=NOW_MS,
    )


@dataclass
class Side:
    """One of two devices; it stores its state as bytes between steps, as the key store does."""

    name: str
    stored: bytes
    end: VerificationEnd | None = None
    sent: list[OutgoingStep] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, first: VerificationState) -> "Side":
        return cls(name, msgspec.json.encode(first))

    @property
    def state(self) -> VerificationState:
        return msgspec.json.decode(self.stored, type=VerificationState)

    def go(self, step: VerificationStep) -> None:
        self.stored = msgspec.json.encode(step.state)
        self.end = self.end or step.end
        self.sent += step.outgoing

    def take(self, kind: str, content: Content, device: str) -> None:
        if self.end is None:
            self.go(sas_verification.taken(self.state, kind, content, device, NOW_MS))

    def confirm(self, *, same: bool = True) -> None:
        self.go(sas_verification.confirmed(self.state, NOW_MS, same=same))

    def next(self) -> OutgoingStep:
        return self.sent.pop(0)


class Server:
    """Delivers what the two sides send, in turn, until nothing is left; a test may replace what passes."""

    def __init__(self, ada: Side | None = None, bob: Side | None = None) -> None:
        self.ada = ada or Side.of("ada", state(ADA, BOB, VerificationPhase.REQUESTED))
        self.bob = bob or Side.of("bob", state(BOB, ADA, VerificationPhase.ASKED))
        self.swaps: dict[tuple[str, str], Content] = {}
        self.passed: list[tuple[Side, str, Content, str]] = []

    def begin(self) -> None:
        self.ada.go(sas_verification.requested(self.ada.state, NOW_MS))
        assert self.ada.next().kind == "request"
        self.bob.go(sas_verification.answered(self.bob.state, NOW_MS))
        self.deliver()

    def deliver(self) -> None:
        while self.ada.sent or self.bob.sent:
            sender, receiver = (self.ada, self.bob) if self.ada.sent else (self.bob, self.ada)
            step = sender.next()
            content = {**step.content, **self.swaps.get((sender.name, step.kind), {})}
            self.passed.append((receiver, step.kind, content, sender.state.mine.device))
            receiver.take(step.kind, content, sender.state.mine.device)

    @property
    def ends(self) -> list[VerificationEnd | None]:
        return [self.ada.end, self.bob.end]


class TestTwoUsers:
    def test_both_see_the_same_and_are_verified(self) -> None:
        server = Server()
        server.begin()
        assert server.ada.state.phase is server.bob.state.phase is VerificationPhase.COMPARING
        assert sas_verification.comparison(server.ada.state) == sas_verification.comparison(server.bob.state)
        server.ada.confirm()
        server.deliver()
        assert server.ends == [None, None]
        server.bob.confirm()
        server.deliver()
        assert server.ends == [VerificationEnd.VERIFIED, VerificationEnd.VERIFIED]

    def test_both_confirm_at_the_same_moment(self) -> None:
        server = Server()
        server.begin()
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ends == [VerificationEnd.VERIFIED, VerificationEnd.VERIFIED]

    def test_a_mismatch_ends_it_for_both(self) -> None:
        server = Server()
        server.begin()
        server.ada.confirm()
        server.bob.confirm(same=False)
        server.deliver()
        assert server.ends == [VerificationEnd.MISMATCH, VerificationEnd.MISMATCH]

    @pytest.mark.parametrize("end", [VerificationEnd.CANCELLED_HERE, VerificationEnd.TIMED_OUT])
    def test_a_cancel_ends_it_for_both(self, end: VerificationEnd) -> None:
        server = Server()
        server.begin()
        server.ada.go(sas_verification.ended(server.ada.state, end))
        server.deliver()
        there = VerificationEnd.CANCELLED_THERE if end is VerificationEnd.CANCELLED_HERE else end
        assert server.ends == [end, there]

    def test_starts_of_both_at_once_leave_one_that_counts(self) -> None:
        server = Server()
        crossing = Side.of("bob", state(BOB, ADA, VerificationPhase.REQUESTED))
        crossing.go(sas_verification.taken(crossing.state, "ready", {"methods": ["m.sas.v1"]}, ADA.device, NOW_MS))
        server.bob = crossing
        server.ada.go(sas_verification.taken(server.ada.state, "ready", {"methods": ["m.sas.v1"]}, BOB.device, NOW_MS))
        server.deliver()
        assert server.ada.state.is_starter
        assert not server.bob.state.is_starter
        assert sas_verification.comparison(server.ada.state) == sas_verification.comparison(server.bob.state)

    def test_other_devices_that_were_asked_learn_that_one_answered(self) -> None:
        asked = {**state(ADA, BOB, VerificationPhase.REQUESTED).asked, "PHONE": key("phone")}
        ada = Side.of("ada", msgspec.structs.replace(state(ADA, BOB, VerificationPhase.REQUESTED), asked=asked))
        ada.take("ready", {"methods": ["m.sas.v1"]}, BOB.device)
        assert [(step.kind, step.devices) for step in ada.sent] == [("start", ("BOB",)), ("cancel", ("PHONE",))]
        phone = Side.of("bob", state(party("phone", 2), ADA, VerificationPhase.ASKED))
        phone.take("cancel", ada.sent[1].content, ADA.device)
        assert phone.end is VerificationEnd.ELSEWHERE


class TestOwnDevice:
    def test_a_new_device_is_verified_by_its_device_key_and_proves_the_master_key_of_the_old_one(self) -> None:
        old, new = party("ada", 1), msgspec.structs.replace(party("new", 1), master_key="")
        known = msgspec.structs.replace(old, device_key=old.device_key)
        server = Server(
            Side.of("ada", state(old, new, VerificationPhase.REQUESTED, DEVICE)),
            Side.of("bob", state(new, known, VerificationPhase.ASKED, MASTER)),
        )
        server.begin()
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ends == [VerificationEnd.DEVICE_VERIFIED, VerificationEnd.VERIFIED]


class TestAServerThatInterferes:
    def test_a_key_in_the_middle_of_the_answerer_does_not_fit_its_commitment(self) -> None:
        server = Server()
        server.swaps["bob", "key"] = {"key": sas_crypto.public_key(bytes(31) + b"\x07")}
        server.begin()
        assert server.ends == [VerificationEnd.FORGED, VerificationEnd.FORGED]

    def test_keys_and_commitment_swapped_both_ways_show_different_numbers(self) -> None:
        """The server can't know ada's key before it has to commit itself to one of its own."""
        server, middle = Server(), sas_crypto.public_key(bytes(31) + b"\x07")
        server.ada.go(sas_verification.requested(server.ada.state, NOW_MS))
        server.ada.next()
        server.bob.go(sas_verification.answered(server.bob.state, NOW_MS))
        server.ada.take("ready", server.bob.next().content, BOB.device)
        start = server.ada.next().content
        server.swaps["bob", "accept"] = {"commitment": sas_crypto.commitment(middle, start)}
        server.swaps["bob", "key"] = server.swaps["ada", "key"] = {"key": middle}
        server.bob.take("start", start, ADA.device)
        server.deliver()
        assert server.ada.state.phase is server.bob.state.phase is VerificationPhase.COMPARING
        assert sas_verification.comparison(server.ada.state) != sas_verification.comparison(server.bob.state)

    @pytest.mark.parametrize("accept", [{"commitment": key("wrong")}, {"commitment": "ä"}])
    def test_a_wrong_commitment_is_refused(self, accept: Content) -> None:
        server = Server()
        server.swaps["bob", "accept"] = accept
        server.begin()
        assert server.ends == [VerificationEnd.FORGED, VerificationEnd.FORGED]

    @pytest.mark.parametrize("weak", [b"\x00" * 32, b"\x01" + b"\x00" * 31])
    def test_a_key_that_makes_the_secret_predictable_is_refused(self, weak: bytes) -> None:
        server = Server()
        server.swaps["ada", "key"] = {"key": base64.b64encode(weak).rstrip(b"=").decode()}
        server.begin()
        assert server.bob.end is VerificationEnd.FORGED

    @pytest.mark.parametrize(
        "mac",
        [
            {"mac": {}},
            {"mac": {}, "keys": ""},
            {"mac": "text"},
            {"mac": {f"ed25519:{BOB.master_key}": key("x")}},
            {"keys": key("x")},
            {"mac": {f"ed25519:{BOB.device}": 7}},
        ],
    )
    def test_a_wrong_mac_is_refused(self, mac: Content) -> None:
        server = Server()
        server.begin()
        server.swaps["bob", "mac"] = mac
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ada.end is VerificationEnd.FORGED

    def test_a_master_key_that_the_server_replaced_is_not_verified(self) -> None:
        """Ada was given another master key of bob: the numbers are right, but bob's MAC is of the right key."""
        false = msgspec.structs.replace(BOB, master_key=key("false"))
        server = Server(Side.of("ada", state(ADA, false, VerificationPhase.REQUESTED)))
        server.begin()
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ada.end is VerificationEnd.FORGED

    def test_a_device_key_that_the_server_replaced_is_not_verified(self) -> None:
        false = msgspec.structs.replace(BOB, device_key=key("false"))
        server = Server(Side.of("ada", state(ADA, false, VerificationPhase.REQUESTED)))
        server.begin()
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ada.end is VerificationEnd.FORGED

    def test_ones_own_mac_sent_back_is_refused(self) -> None:
        server = Server()
        server.begin()
        server.ada.confirm()
        server.ada.take("mac", server.ada.next().content, BOB.device)
        assert server.ada.end is VerificationEnd.FORGED

    def test_messages_of_another_device_do_nothing(self) -> None:
        server = Server()
        server.begin()
        before = server.ada.stored
        for kind in ("cancel", "mac", "key", "done"):
            server.ada.take(kind, {"code": "m.user", "key": "x"}, "MALLORY")
        assert (server.ada.stored, server.ada.end) == (before, None)

    def test_repeated_messages_do_nothing(self) -> None:
        server = Server()
        server.begin()
        for receiver, kind, content, device in list(server.passed):
            before = receiver.state.phase
            receiver.take(kind, content, device)
            assert (receiver.state.phase, receiver.end, receiver.sent) == (before, None, [])
        server.ada.confirm()
        server.bob.confirm()
        server.deliver()
        assert server.ends == [VerificationEnd.VERIFIED, VerificationEnd.VERIFIED]

    def test_a_second_different_mac_is_refused(self) -> None:
        server = Server()
        server.begin()
        server.bob.confirm()
        server.ada.take("mac", server.bob.next().content, BOB.device)
        server.ada.take("mac", {"mac": {}, "keys": "x"}, BOB.device)
        assert server.ada.end is VerificationEnd.FORGED

    @pytest.mark.parametrize("kind", ["ready", "start", "accept", "key", "mac", "unknown"])
    def test_a_message_out_of_order_ends_it(self, kind: str) -> None:
        phase = VerificationPhase.READY if kind != "start" else VerificationPhase.KEY_SENT
        side = Side.of("ada", state(ADA, BOB, phase))
        side.take(kind, {"key": "x"}, BOB.device)
        assert side.end is VerificationEnd.BROKEN

    @given(
        st.sampled_from(list(VerificationPhase)),
        st.sampled_from(["ready", "start", "accept", "key", "mac", "done", "cancel"]),
        st.dictionaries(
            st.sampled_from(["key", "mac", "keys", "commitment", "methods", "method", "hashes", "hash", "code"]),
            st.recursive(
                st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=50),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=5,
            ),
        ),
    )
    def test_any_content_ends_it_or_does_nothing_and_never_verifies(
        self, phase: VerificationPhase, kind: str, content: Content
    ) -> None:
        their_key = sas_crypto.public_key(bytes(31) + b"\x07")
        first = msgspec.structs.replace(state(ADA, BOB, phase), their_key=their_key)
        step = sas_verification.taken(first, kind, content, BOB.device, NOW_MS)
        assert step.end not in {VerificationEnd.VERIFIED, VerificationEnd.DEVICE_VERIFIED}


REQUEST = {"transaction_id": "t1", "from_device": "BOB", "methods": ["m.sas.v1"], "timestamp": NOW_MS}


class TestRequest:
    def test_a_new_request_is_valid(self) -> None:
        assert sas_verification.is_valid_request(REQUEST, NOW_MS)

    @pytest.mark.parametrize(
        "change",
        [
            {"timestamp": NOW_MS - LIFETIME_MS - 1},
            {"timestamp": NOW_MS + LIFETIME_MS},
            {"timestamp": "now"},
            {"methods": ["m.qr_code.show.v1"]},
            {"methods": "m.sas.v1"},
            {"from_device": ""},
            {"transaction_id": 7},
            {"transaction_id": "t" * 256},
        ],
    )
    def test_an_old_or_malformed_request_is_not_valid(self, change: Content) -> None:
        assert not sas_verification.is_valid_request({**REQUEST, **change}, NOW_MS)

    def test_of_two_requests_at_once_the_one_of_the_lower_user_counts(self) -> None:
        assert sas_verification.yields_to(state(BOB, ADA, VerificationPhase.REQUESTED), ADA.user, ADA.device)
        assert not sas_verification.yields_to(state(ADA, BOB, VerificationPhase.REQUESTED), BOB.user, BOB.device)


class TestMatrix:
    """The other side is vodozemac's `Sas`, used as Matrix clients use it."""

    def test_vodozemac_as_answerer_shows_the_same_and_agrees_on_macs(self) -> None:
        ada = Side.of("ada", state(ADA, BOB, VerificationPhase.REQUESTED))
        ada.take("ready", {"methods": ["m.sas.v1"]}, BOB.device)
        start, sas = ada.next().content, vodozemac.Sas()
        theirs = sas.public_key.to_base64()
        committed = hashlib.sha256(theirs.encode() + signed_part(start)).digest()
        ada.take("accept", accept(base64.b64encode(committed).rstrip(b"=").decode()), BOB.device)
        mine = ada.next().content["key"]
        ada.take("key", {"transaction_id": "t1", "key": theirs}, BOB.device)
        shared = sas.diffie_hellman(vodozemac.Curve25519PublicKey.from_base64(mine))
        info = f"MATRIX_KEY_VERIFICATION_SAS|{ADA.user}|ADA|{mine}|{BOB.user}|BOB|{theirs}|t1"
        self.judge(ada, shared, shared.bytes(info))

    def test_vodozemac_as_asker_shows_the_same_and_agrees_on_macs(self) -> None:
        ada = Side.of("ada", state(ADA, BOB, VerificationPhase.READY))
        start = {
            "transaction_id": "t1",
            "from_device": "BOB",
            "method": "m.sas.v1",
            "key_agreement_protocols": ["curve25519-hkdf-sha256", "curve25519"],
            "hashes": ["sha256"],
            "message_authentication_codes": ["hkdf-hmac-sha256.v2", "hkdf-hmac-sha256"],
            "short_authentication_string": ["decimal", "emoji"],
        }
        ada.take("start", start, BOB.device)
        committed, sas = ada.next().content["commitment"], vodozemac.Sas()
        theirs = sas.public_key.to_base64()
        ada.take("key", {"transaction_id": "t1", "key": theirs}, BOB.device)
        mine = ada.next().content["key"]
        expected = hashlib.sha256(mine.encode() + signed_part(start)).digest()
        assert committed == base64.b64encode(expected).rstrip(b"=").decode()
        shared = sas.diffie_hellman(vodozemac.Curve25519PublicKey.from_base64(mine))
        info = f"MATRIX_KEY_VERIFICATION_SAS|{BOB.user}|BOB|{theirs}|{ADA.user}|ADA|{mine}|t1"
        self.judge(ada, shared, shared.bytes(info))

    def judge(self, ada: Side, shared: Any, sas: Any) -> None:
        shown = sas_verification.comparison(ada.state)
        assert shown.numbers == tuple(sas.decimals)
        assert shown.emoji == tuple(sas_crypto.EMOJI_NAMES[number] for number in sas.emoji_indices)
        ada.confirm()
        mac = ada.next().content
        info = f"MATRIX_KEY_VERIFICATION_MAC{ADA.user}ADA{BOB.user}BOBt1"
        shared.verify_mac(",".join(sorted(mac["mac"])), f"{info}KEY_IDS", mac["keys"])
        for key_id, value in ((f"ed25519:{ADA.master_key}", ADA.master_key), ("ed25519:ADA", ADA.device_key)):
            shared.verify_mac(value, info + key_id, mac["mac"][key_id])
        info = f"MATRIX_KEY_VERIFICATION_MAC{BOB.user}BOB{ADA.user}ADAt1"
        ids = {f"ed25519:{BOB.master_key}": BOB.master_key, "ed25519:BOB": BOB.device_key}
        macs = {key_id: shared.calculate_mac(value, info + key_id) for key_id, value in ids.items()}
        of_ids = shared.calculate_mac(",".join(sorted(ids)), f"{info}KEY_IDS")
        ada.take("mac", {"transaction_id": "t1", "mac": macs, "keys": of_ids}, BOB.device)
        assert ada.end is VerificationEnd.VERIFIED


def accept(committed: str) -> Content:
    return {
        "transaction_id": "t1",
        "method": "m.sas.v1",
        "key_agreement_protocol": "curve25519-hkdf-sha256",
        "hash": "sha256",
        "message_authentication_code": "hkdf-hmac-sha256.v2",
        "short_authentication_string": ["decimal", "emoji"],
        "commitment": committed,
    }
