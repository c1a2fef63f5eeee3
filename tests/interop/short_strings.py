"""Our side of a verification by short authentication strings (SAS) with an OlmMachine, straight from Matrix's rules."""

import hashlib
from typing import Any

import vodozemac

from chatterbox.wire.encryption.device_keys import signed_part
from tests.interop.meeting import OURS, THEIRS, Meeting
from tests.support.encryption.model_device import standard_base64

_VERIFY = "m.key.verification"


class SasPartner:
    """Accepts the verification that the machine begins."""

    def __init__(self, meeting: Meeting, *, shows_another_key: bool = False) -> None:
        self._meeting = meeting
        self._shows_another_key = shows_another_key

    def exchange_keys(self) -> tuple[dict[str, Any], Any]:
        """Go as far as both show numbers and emoji; what the machine shows, and what we show."""
        meeting, machine = self._meeting, self._meeting.machine
        request = self._own(machine.ask("begin_verification", meeting.ada.name, OURS)["messages"])
        self._transaction = request["transaction_id"]
        self._tell("ready", from_device=OURS, methods=["m.sas.v1"])
        start = self._own(machine.ask("begin_sas")["messages"])
        sas = vodozemac.Sas()
        public = sas.public_key.to_base64()
        commitment = hashlib.sha256(public.encode() + signed_part(start)).digest()
        self._tell(
            "accept",
            method="m.sas.v1",
            key_agreement_protocol="curve25519-hkdf-sha256",
            hash="sha256",
            message_authentication_code="hkdf-hmac-sha256.v2",
            short_authentication_string=["decimal", "emoji"],
            commitment=standard_base64(commitment),
        )
        [sent] = [each for each in machine.ask("outgoing") if each.get("event_type") == f"{_VERIFY}.key"]
        machine.ask("mark_sent", sent["id"], "ToDevice", {})
        theirs = self._own(sent["body"]["messages"])["key"]
        self._tell("key", key=public)
        used = vodozemac.Sas().public_key.to_base64() if self._shows_another_key else public
        self._secret = sas.diffie_hellman(vodozemac.Curve25519PublicKey.from_base64(theirs))
        them = f"{meeting.bob_name}|{THEIRS}|{theirs}"
        info = f"MATRIX_KEY_VERIFICATION_SAS|{them}|{meeting.ada.name}|{OURS}|{used}|{self._transaction}"
        return machine.ask("shown"), self._secret.bytes(info)

    def confirm(self) -> dict[str, str]:
        """Both say that they see the same; the keys of the machine that its codes prove, by their names."""
        meeting = self._meeting
        requests = meeting.machine.ask("confirm")
        [mac] = [self._own(each["body"]["messages"]) for each in requests if each.get("event_type") == f"{_VERIFY}.mac"]
        from_them = f"MATRIX_KEY_VERIFICATION_MAC{meeting.bob_name}{THEIRS}{meeting.ada.name}{OURS}{self._transaction}"
        master = meeting.their_master.public_key
        theirs = {f"ed25519:{THEIRS}": meeting.identity["ed25519"], f"ed25519:{master}": master}
        self._secret.verify_mac(",".join(sorted(mac["mac"])), f"{from_them}KEY_IDS", mac["keys"])
        for name, code in mac["mac"].items():
            self._secret.verify_mac(theirs[name], from_them + name, code)
        self._send_codes()
        self._tell("done")
        return {name: theirs[name] for name in mac["mac"]}

    def _send_codes(self) -> None:
        meeting = self._meeting
        to_them = f"MATRIX_KEY_VERIFICATION_MAC{meeting.ada.name}{OURS}{meeting.bob_name}{THEIRS}{self._transaction}"
        master = meeting.ada.master().public_key
        ours = {f"ed25519:{OURS}": meeting.device.signing, f"ed25519:{master}": master}
        codes = {name: self._secret.calculate_mac(key, to_them + name) for name, key in ours.items()}
        self._tell("mac", mac=codes, keys=self._secret.calculate_mac(",".join(sorted(ours)), f"{to_them}KEY_IDS"))

    def _own(self, messages: dict[str, Any]) -> dict[str, Any]:
        own: dict[str, Any] = messages[self._meeting.ada.name][OURS]
        return own

    def _tell(self, kind: str, **content: Any) -> None:
        event = {"transaction_id": self._transaction, **content}
        self._meeting.machine.ask(
            "receive", [{"type": f"{_VERIFY}.{kind}", "sender": self._meeting.ada.name, "content": event}]
        )
