"""The client's rules of verification as the partner of an OlmMachine, which begins."""

import secrets
from typing import Any

from client.encryption.core.verification import sas_crypto, sas_verification
from client.encryption.core.verification.sas_verification import PREFIX, VerificationStep
from client.encryption.core.verification.verification_state import (
    Comparison,
    Party,
    VerificationEnd,
    VerificationPhase,
    VerificationState,
)
from tests.interop.meeting import OURS, THEIRS, Meeting

NOW_MS = 0


class VerificationPartner:
    """Carries messages between the client's rules and the machine."""

    def __init__(self, meeting: Meeting, *, their_device_key: str = "") -> None:
        """`their_device_key`: the key of the machine's device that the server showed us, if it is another one."""
        self._meeting = meeting
        self._their_device_key = their_device_key or meeting.identity["ed25519"]

    def exchange_keys(self) -> tuple[dict[str, Any], Comparison]:
        """Go as far as both show numbers; what the machine shows, and what the client shows."""
        meeting, machine = self._meeting, self._meeting.machine
        request = self._to_us(machine.ask("begin_verification", meeting.ada.name, OURS)["messages"])
        asked = self._asked(request["transaction_id"])
        self._pass_on(sas_verification.answered(asked, NOW_MS))
        start = machine.ask("begin_sas")
        self._take("start", start["messages"])
        [key] = [each for each in machine.ask("outgoing") if each.get("event_type") == f"{PREFIX}key"]
        machine.ask("mark_sent", key["id"], "ToDevice", {})
        self._take("key", key["body"]["messages"])
        return machine.ask("shown"), sas_verification.comparison(self._state)

    def confirm(self) -> VerificationEnd:
        """Both users say that it is the same; how it ends for the client."""
        requests = self._meeting.machine.ask("confirm")
        self._pass_on(sas_verification.confirmed(self._state, NOW_MS, same=True))
        [mac] = [each for each in requests if each.get("event_type") == f"{PREFIX}mac"]
        step = self._take("mac", mac["body"]["messages"])
        assert step.end is not None
        return step.end

    def _asked(self, transaction: str) -> VerificationState:
        meeting = self._meeting
        mine = Party(
            user=meeting.ada.name, device=OURS, device_key=meeting.device.signing,
            master_key=meeting.ada.master().public_key,
        )  # fmt: skip
        theirs = Party(
            user=meeting.bob_name, device=THEIRS, device_key=self._their_device_key,
            master_key=meeting.their_master.public_key,
        )  # fmt: skip
        return VerificationState(
            transaction=transaction, username="bob", mine=mine, theirs=theirs, asked={},
            required=sas_verification.MASTER, phase=VerificationPhase.ASKED,
            private_key=secrets.token_bytes(sas_crypto.PRIVATE_KEY_BYTES), until_ms=NOW_MS,
        )  # fmt: skip

    def _take(self, kind: str, messages: dict[str, Any]) -> VerificationStep:
        step = sas_verification.taken(self._state, kind, self._to_us(messages), THEIRS, NOW_MS)
        self._pass_on(step)
        return step

    def _pass_on(self, step: VerificationStep) -> None:
        self._state = step.state
        for outgoing in step.outgoing:
            event = {
                "type": PREFIX + outgoing.kind, "sender": self._meeting.ada.name, "content": outgoing.content,
            }  # fmt: skip
            self._meeting.machine.ask("receive", [event])

    def _to_us(self, messages: dict[str, Any]) -> dict[str, Any]:
        content: dict[str, Any] = messages[self._meeting.ada.name][OURS]
        return content
