"""Verification by short authentication strings, as Matrix has it: what each `m.key.verification.*` does. Pure.

    asker                              answerer
    request  ────────────────────────►          to all of the other's devices
             ◄──────────────────────── ready    from the one on which the user answered
    start    ────────────────────────►
             ◄──────────────────────── accept   commits itself to its key
    key      ────────────────────────►
             ◄──────────────────────── key      both show the same numbers, unless a third is in between
    mac      ◄───────────────────────►          once the user said that they are the same: proves the master keys
    done     ◄───────────────────────►

Verified is the other's master key, and so all devices of that user: never a single device, but for a new one of one's
own, which has to be approved.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import msgspec

from client.encryption.core.verification import sas_crypto
from client.encryption.core.verification.sas_crypto import SharedSecret
from client.encryption.core.verification.verification_state import (
    Comparison,
    VerificationEnd,
    VerificationPhase,
    VerificationState,
)

PREFIX = "m.key.verification."
KINDS = ("request", "ready", "start", "accept", "key", "mac", "done", "cancel")
"""What follows `PREFIX` in the types of messages."""
METHOD = "m.sas.v1"
LIFETIME_MS = 600_000
"""A request, and each step after it, waits this long."""
_AHEAD_MS = 300_000
"""How far the other's clock may be ahead."""
_AGREEMENT, _HASH, _MAC = "curve25519-hkdf-sha256", "sha256", "hkdf-hmac-sha256.v2"
_SHOWN = ["decimal", "emoji"]
MASTER, DEVICE = "master", "device"
"""Which key the other must prove."""


class OutgoingStep(NamedTuple):
    """A message to devices of the other; `kind` is what follows `PREFIX` in its type."""

    kind: str
    content: dict[str, Any]
    devices: tuple[str, ...]


class VerificationStep(NamedTuple):
    """What follows from a message or an answer of the user."""

    state: VerificationState
    outgoing: tuple[OutgoingStep, ...] = ()
    end: VerificationEnd | None = None


_CANCEL_CODES = {
    VerificationEnd.MISMATCH: "m.mismatched_sas",
    VerificationEnd.CANCELLED_HERE: "m.user",
    VerificationEnd.TIMED_OUT: "m.timeout",
    VerificationEnd.KEYS_CHANGED: "m.key_mismatch",
    VerificationEnd.FORGED: "m.key_mismatch",
    VerificationEnd.INCOMPATIBLE: "m.unknown_method",
    VerificationEnd.ELSEWHERE: "m.accepted",
    VerificationEnd.BROKEN: "m.unexpected_message",
}
_CANCELLED = {
    "m.mismatched_sas": VerificationEnd.MISMATCH,
    "m.timeout": VerificationEnd.TIMED_OUT,
    "m.key_mismatch": VerificationEnd.FORGED,
    "m.mismatched_commitment": VerificationEnd.FORGED,
    "m.unknown_method": VerificationEnd.INCOMPATIBLE,
    "m.unexpected_message": VerificationEnd.BROKEN,
    "m.accepted": VerificationEnd.ELSEWHERE,
}


def requested(state: VerificationState, now_ms: int) -> VerificationStep:
    """Ask all devices in `state.asked`; the state is in phase `REQUESTED`."""
    content = {"from_device": state.mine.device, "methods": [METHOD], "timestamp": now_ms}
    return VerificationStep(state, (OutgoingStep("request", _in(state, content), tuple(state.asked)),))


def is_valid_request(content: Mapping[str, Any], now_ms: int) -> bool:
    """Whether a request can be answered: it is not too old, and names this method, a device and a transaction."""
    sent_ms, methods = content.get("timestamp"), content.get("methods")
    return (
        _is_id(content.get("transaction_id"))
        and _is_id(content.get("from_device"))
        and isinstance(methods, list)
        and METHOD in methods
        and isinstance(sent_ms, int)
        and now_ms - LIFETIME_MS <= sent_ms <= now_ms + _AHEAD_MS
    )


def answered(state: VerificationState, now_ms: int) -> VerificationStep:
    """The user here wants to compare keys, too; the state is in phase `ASKED`."""
    content = {"from_device": state.mine.device, "methods": [METHOD]}
    return VerificationStep(_at(state, VerificationPhase.READY, now_ms), (_to_them(state, "ready", content),))


def confirmed(state: VerificationState, now_ms: int, *, same: bool) -> VerificationStep:
    """The user here compared; the state is in phase `COMPARING`."""
    if not same:
        return ended(state, VerificationEnd.MISMATCH)
    step = VerificationStep(_at(state, VerificationPhase.CONFIRMED, now_ms), (_to_them(state, "mac", _own_mac(state)),))
    if not state.their_mac:
        return step
    last = _checked(step.state)
    return last._replace(outgoing=(*step.outgoing, *last.outgoing))


def ended(state: VerificationState, end: VerificationEnd) -> VerificationStep:
    """End a verification from here, and tell the other."""
    devices = (state.theirs.device,) if state.theirs.device else tuple(state.asked)
    cancel = _in(state, {"code": _CANCEL_CODES.get(end, "m.user"), "reason": end.value})
    return VerificationStep(state, (OutgoingStep("cancel", cancel, devices),), end)


def yields_to(state: VerificationState, user: str, device: str) -> bool:
    """Whether the request of a user counts, and not one's own, where both asked each other at the same time."""
    return (user, device) < (state.mine.user, state.mine.device)


def taken(
    state: VerificationState, kind: str, content: Mapping[str, Any], device: str, now_ms: int
) -> VerificationStep:
    """Take a message of the other's device. Any content is an input.

    Messages of devices that have no part in it, and repeated ones, do nothing.
    """
    digest = _digest(kind, content)
    if not _takes_part(state, device) or digest in state.taken:
        return VerificationStep(state)
    state = msgspec.structs.replace(state, taken=(*state.taken, digest))
    if kind == "cancel":
        return _cancelled(state, content)
    match (kind, state.phase):
        case ("ready", VerificationPhase.REQUESTED):
            return _ready(state, content, device, now_ms)
        case ("start", VerificationPhase.READY):
            return _start(state, content, now_ms)
        case ("start", VerificationPhase.STARTED):
            their_start_counts = yields_to(state, state.theirs.user, state.theirs.device)
            return _start(state, content, now_ms) if their_start_counts else VerificationStep(state)
        case ("accept", VerificationPhase.STARTED):
            return _accept(state, content, now_ms)
        case ("key", VerificationPhase.ACCEPTED | VerificationPhase.KEY_SENT):
            return _key(state, content, now_ms)
        case ("mac", VerificationPhase.COMPARING | VerificationPhase.CONFIRMED):
            return _mac(state, content)
        case ("done", VerificationPhase.CONFIRMED) | ("done", VerificationPhase.COMPARING):
            return VerificationStep(state)
        case _:
            return ended(state, VerificationEnd.BROKEN)


def comparison(state: VerificationState) -> Comparison:
    """What the screens show; the state is in phase `COMPARING`."""
    mine, theirs = (state.mine, sas_crypto.public_key(state.private_key)), (state.theirs, state.their_key)
    starter, accepter = (mine, theirs) if state.is_starter else (theirs, mine)
    sas = SharedSecret(state.private_key, state.their_key).sas_bytes(*starter, *accepter, state.transaction)
    return Comparison(sas_crypto.numbers(sas), sas_crypto.emoji(sas))


def _ready(state: VerificationState, content: Mapping[str, Any], device: str, now_ms: int) -> VerificationStep:
    theirs = msgspec.structs.replace(state.theirs, device=device, device_key=state.asked[device])
    others = tuple(each for each in state.asked if each != device)
    state = msgspec.structs.replace(state, theirs=theirs)
    methods = content.get("methods")
    if not isinstance(methods, list) or METHOD not in methods:
        return ended(state, VerificationEnd.INCOMPATIBLE)
    start = _in(
        state,
        {
            "from_device": state.mine.device,
            "method": METHOD,
            "key_agreement_protocols": [_AGREEMENT],
            "hashes": [_HASH],
            "message_authentication_codes": [_MAC],
            "short_authentication_string": _SHOWN,
        },
    )
    elsewhere = _in(state, {"code": "m.accepted", "reason": "another device answered"})
    outgoing = [OutgoingStep("start", start, (device,))]
    if others:
        outgoing.append(OutgoingStep("cancel", elsewhere, others))
    state = msgspec.structs.replace(state, start=start, is_starter=True)
    return VerificationStep(_at(state, VerificationPhase.STARTED, now_ms), tuple(outgoing))


def _start(state: VerificationState, content: Mapping[str, Any], now_ms: int) -> VerificationStep:
    offers = {
        "key_agreement_protocols": _AGREEMENT,
        "hashes": _HASH,
        "message_authentication_codes": _MAC,
        "short_authentication_string": "decimal",
    }
    offered = content.get("method") == METHOD and all(_names(content.get(field), one) for field, one in offers.items())
    if not offered:
        return ended(state, VerificationEnd.INCOMPATIBLE)
    shown = [each for each in _SHOWN if _names(content["short_authentication_string"], each)]
    accept = {
        "method": METHOD,
        "key_agreement_protocol": _AGREEMENT,
        "hash": _HASH,
        "message_authentication_code": _MAC,
        "short_authentication_string": shown,
        "commitment": sas_crypto.commitment(sas_crypto.public_key(state.private_key), dict(content)),
    }
    state = msgspec.structs.replace(state, start=dict(content), is_starter=False)
    return VerificationStep(_at(state, VerificationPhase.ACCEPTED, now_ms), (_to_them(state, "accept", accept),))


def _accept(state: VerificationState, content: Mapping[str, Any], now_ms: int) -> VerificationStep:
    chosen = {"key_agreement_protocol": _AGREEMENT, "hash": _HASH, "message_authentication_code": _MAC}
    commitment = content.get("commitment")
    if any(content.get(field) != one for field, one in chosen.items()):
        return ended(state, VerificationEnd.INCOMPATIBLE)
    if not isinstance(commitment, str) or not commitment:
        return ended(state, VerificationEnd.BROKEN)
    state = msgspec.structs.replace(state, commitment=commitment)
    return VerificationStep(_at(state, VerificationPhase.KEY_SENT, now_ms), (_own_key(state),))


def _key(state: VerificationState, content: Mapping[str, Any], now_ms: int) -> VerificationStep:
    key = content.get("key")
    if not isinstance(key, str) or not key.isascii():
        return ended(state, VerificationEnd.BROKEN)
    is_reply = state.phase is VerificationPhase.KEY_SENT
    if is_reply and not _same(state.commitment, sas_crypto.commitment(key, state.start)):
        return ended(state, VerificationEnd.FORGED)
    try:
        SharedSecret(state.private_key, key)
    except ValueError:
        return ended(state, VerificationEnd.FORGED)
    outgoing = () if is_reply else (_own_key(state),)
    state = msgspec.structs.replace(state, their_key=key)
    return VerificationStep(_at(state, VerificationPhase.COMPARING, now_ms), outgoing)


def _mac(state: VerificationState, content: Mapping[str, Any]) -> VerificationStep:
    if state.their_mac:
        return ended(state, VerificationEnd.FORGED)
    state = msgspec.structs.replace(state, their_mac={"mac": content.get("mac"), "keys": content.get("keys")})
    return _checked(state) if state.phase is VerificationPhase.CONFIRMED else VerificationStep(state)


def _checked(state: VerificationState) -> VerificationStep:
    """Check the other's MAC, the last step: it proves who has the keys that this device knows."""
    if not _is_right(state):
        return ended(state, VerificationEnd.FORGED)
    end = VerificationEnd.DEVICE_VERIFIED if state.required == DEVICE else VerificationEnd.VERIFIED
    return VerificationStep(state, (_to_them(state, "done", {}),), end)


def _is_right(state: VerificationState) -> bool:
    macs, of_ids = state.their_mac["mac"], state.their_mac["keys"]
    if not _are_texts(macs) or not isinstance(of_ids, str):
        return False
    secret = SharedSecret(state.private_key, state.their_key)
    info = sas_crypto.mac_info(state.theirs, state.mine, state.transaction)
    if not _same(of_ids, secret.mac(",".join(sorted(macs)), f"{info}KEY_IDS")):
        return False
    known = {f"ed25519:{state.theirs.device}": state.theirs.device_key}
    if state.theirs.master_key:
        known[f"ed25519:{state.theirs.master_key}"] = state.theirs.master_key
    needed = state.theirs.master_key if state.required == MASTER else state.theirs.device
    if not needed or f"ed25519:{needed}" not in macs:
        return False
    return all(_same(mac, secret.mac(known[key_id], info + key_id)) for key_id, mac in macs.items() if key_id in known)


def _own_mac(state: VerificationState) -> dict[str, Any]:
    mine = state.mine
    keys = {f"ed25519:{mine.device}": mine.device_key}
    if mine.master_key:
        keys[f"ed25519:{mine.master_key}"] = mine.master_key
    secret = SharedSecret(state.private_key, state.their_key)
    info = sas_crypto.mac_info(mine, state.theirs, state.transaction)
    macs = {key_id: secret.mac(key, info + key_id) for key_id, key in keys.items()}
    return {"mac": macs, "keys": secret.mac(",".join(sorted(keys)), f"{info}KEY_IDS")}


def _cancelled(state: VerificationState, content: Mapping[str, Any]) -> VerificationStep:
    end = _CANCELLED.get(str(content.get("code")), VerificationEnd.CANCELLED_THERE)
    return VerificationStep(state, (), end)


def _takes_part(state: VerificationState, device: str) -> bool:
    return device == state.theirs.device if state.theirs.device else device in state.asked


def _own_key(state: VerificationState) -> OutgoingStep:
    return _to_them(state, "key", {"key": sas_crypto.public_key(state.private_key)})


def _to_them(state: VerificationState, kind: str, content: dict[str, Any]) -> OutgoingStep:
    return OutgoingStep(kind, _in(state, content), (state.theirs.device,))


def _in(state: VerificationState, content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "transaction_id": state.transaction}


def _at(state: VerificationState, phase: VerificationPhase, now_ms: int) -> VerificationState:
    return msgspec.structs.replace(state, phase=phase, until_ms=now_ms + LIFETIME_MS)


def _names(value: object, one: str) -> bool:
    return isinstance(value, list) and one in value


def _are_texts(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(kind: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode([kind, content], order="deterministic")).hexdigest()[:32]
