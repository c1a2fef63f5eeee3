"""Runs with python-olm (libolm, which came before vodozemac): reads our messages, and writes some of its own."""

import json
import sys

import olm  # type: ignore[import-not-found, unused-ignore]


def main() -> None:
    asked = json.load(sys.stdin)
    inbound = olm.InboundGroupSession(asked["session_key"])
    read = [inbound.decrypt(message)[0] for message in asked["messages"]]
    account = olm.Account()
    olm_session = olm.OutboundSession(account, asked["curve25519"], asked["one_time_key"])
    first = olm_session.encrypt(asked["olm_text"])
    outbound = olm.OutboundGroupSession()
    session_key = outbound.session_key
    answer = {
        "read": read,
        "curve25519": account.identity_keys["curve25519"],
        "olm": {"type": first.message_type, "body": first.ciphertext},
        "session": outbound.id,
        "session_key": session_key,
        "messages": [outbound.encrypt(text) for text in asked["texts"]],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
