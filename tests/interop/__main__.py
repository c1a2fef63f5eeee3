"""`python -m tests.interop`: record an exchange with an OlmMachine, for machines without Node."""

import json
from pathlib import Path
from typing import Any

from tests.interop import olm_machine
from tests.interop.meeting import OURS, ROOM, Meeting, plain
from tests.interop.recorded_exchange import PICKLE_KEY, RECORDED
from tests.interop.short_strings import SasPartner
from tests.interop.test_olm_machine import random_texts

MESSAGES = 40
EMOJI = 64
MAX_VERIFICATIONS = 200


def exchange(meeting: Meeting) -> dict[str, Any]:
    """What the machine made, and what our device needs to read it."""
    account = meeting.device.account
    sent = meeting.let_them_share()[OURS]["content"]
    pickle = account.pickle(PICKLE_KEY)
    session_id = meeting.device.accept_room_key(meeting.olm_payload(sent))
    contents = [{"b": text, "n": n} for n, text in enumerate(random_texts(3)[:MESSAGES], 1)]
    events = meeting.machine.ask("encrypt", ROOM, "cb.text", contents)
    return {
        "our_account": pickle,
        "our_keys": {"curve25519": meeting.device.curve, "ed25519": meeting.device.signing},
        "user": meeting.bob_name,
        "device_keys": plain(meeting.their_device),
        "master": plain(meeting.their_master),
        "self_signing": plain(meeting.their_self_signing),
        "one_time_keys": plain(dict(list(meeting.their_one_time_keys.items())[:3])),
        "fallback_keys": plain(meeting.their_fallback_keys),
        "to_device": sent,
        "session": session_id,
        "messages": [
            {"ciphertext": event["ciphertext"], "content": content}
            for event, content in zip(events, contents, strict=True)
        ],
        "exported": meeting.machine.ask("export_sessions"),
    }


def emoji_table(folder: Path) -> dict[str, list[str]]:
    """The symbols and names of emoji by their numbers, from as many verifications as show all of them."""
    table: dict[str, list[str]] = {}
    for _ in range(MAX_VERIFICATIONS):
        with olm_machine.running(folder) as machine:
            shown, _ = SasPartner(Meeting(machine)).exchange_keys()
        table |= {
            str(number): [symbol, name]
            for number, symbol, name in zip(shown["emoji"], shown["symbols"], shown["names"], strict=True)
        }
        if len(table) == EMOJI:
            return dict(sorted(table.items(), key=lambda item: int(item[0])))
    raise SystemExit(f"only {len(table)} emoji were shown in {MAX_VERIFICATIONS} verifications")


def main() -> None:
    folder = olm_machine.install()
    with olm_machine.running(folder) as machine:
        record = exchange(Meeting(machine))
    record["emoji"] = emoji_table(folder)
    RECORDED.write_text(json.dumps(record, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
