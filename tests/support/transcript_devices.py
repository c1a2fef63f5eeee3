"""What the programs of a transcript's users do with keys, besides frames: `ada * …`.

ada * lists ADADEVICE2                   her program makes the keys of a device of this session, and lists them
ada * uploads ADAPHONE22                 the same on another computer (in a new session), without listing them
ada * lists ADADEVICE2 and ADAPHONE22    she lists both
ada * session3 = new session             a Megolm session; the word is its id in frames
ada * body1 = key of session3 for bob    the payload with its key, encrypted for Bob's device
bob * body1 is a key of ada              he decrypts it
ada * envelope1 = "Hello" by session3
bob * envelope1 says "Hello"
ada * entry1 creates plans~              she signs the first entry of the member log; its hash is the room's `<uid>`
ada * entry2 invites bob to plans~       the next one, which names Bob's master key
ada * entry3 removes bob from plans~

An entry's words are `<entry1_signature>`, `<entry1_hash>` and, in the first one, `<entry1_nonce>`; the keys are
`<ada_master>`, `<ada_self_signing>`, and `<ada_signed>`, the master key's signature of the self-signing key.
"""

import re
from typing import Any

import msgspec

from chatterbox.wire.encryption.device_keys import Signatures
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames import Claimed, ClaimedKey
from tests.support.encrypted_talker import KeyServer, list_devices, upload, user_of
from tests.support.encryption.signed_entries import EntrySigner, SignedLog, hash_of
from tests.support.olm_device import OlmDevice, OlmUser, OutboundSession
from tests.support.server import Server
from tests.support.transcript import Line, Words


class TranscriptDevices:
    """The devices and keys of all users."""

    def __init__(self) -> None:
        self._users: dict[str, OlmUser] = {}
        self._devices: dict[str, OlmDevice] = {}
        """By id."""
        self._of: dict[str, OlmDevice] = {}
        """The first device of each user."""
        self._sessions: dict[str, OutboundSession] = {}
        self._logs: dict[str, SignedLog] = {}
        """Member logs by room."""
        self._claimed: dict[str, ClaimedKey] = {}
        self._pushed: dict[str, dict[str, Any]] = {}
        """To-device messages by body."""

    def note(self, received: dict[str, Any]) -> None:
        """Remember what the server sent."""
        match received["type"]:
            case "claimed":
                self._claimed |= {key.device: key for key in msgspec.convert(received, Claimed).keys}
            case "to_device":
                self._pushed[received["body"]] = received

    async def do(self, line: Line, server: Server, words: Words) -> None:
        """Do what a line says."""
        who = line.who.partition(".")[0]
        match line.text.split():
            case ["uploads", device_id]:
                words.known[f"{who}_token"] = await server.login(who)
                await self._upload(who, device_id, server, words, one_time=1)
            case ["lists", *_]:
                await self._list(who, re.findall(r"[A-Z2-7]{10}", line.text), server, words)
            case [word, "=", "new", "session"]:
                self._sessions[word] = self._of[who].new_session()
                words.known[word] = self._sessions[word].session_id
            case [word, "=", "key", "of", session, "for", other]:
                words.known[word] = self._encrypt_key(self._of[who], self._of[other], self._sessions[session], words)
            case [word, "creates", room]:
                self._logs[room] = SignedLog(room)
                entry = self._logs[room].create(self._signer(who, words))
                words.known |= {"uid": self._logs[room].uid, f"{word}_nonce": entry.nonce}
                _note_entry(word, entry, words)
            case [word, "invites", other, "to", room]:
                signers = (self._signer(who, words), self._signer(other, words))
                _note_entry(word, self._logs[room].invite(*signers), words)
            case [word, "removes", other, "from", room]:
                signers = (self._signer(who, words), self._signer(other, words))
                _note_entry(word, self._logs[room].remove(*signers), words)
            case [body, "is", "a", "key", "of", other]:
                pushed = self._pushed[words.known[body]]
                assert self._of[who].decrypt_from(self._of[other], pushed)["type"] == "m.room_key", line.number
            case [word, "=", *_, "by", session]:
                words.known[word] = self._sessions[session].encrypt(words.known["uid"], _quoted(line.text))
            case [word, "says", *_]:
                payload = self._of[who].read(words.known[word])
                assert payload["content"]["b"] == _quoted(line.text), line.number
            case _:
                raise AssertionError(f"line {line.number}: {line.text}")

    async def _upload(self, who: str, device_id: str, server: KeyServer, words: Words, one_time: int) -> None:
        token = words.known[f"{who}_token"]
        user = self._users.setdefault(who, user_of(token))
        device = self._devices[device_id] = OlmDevice(user, device_id)
        self._of.setdefault(who, device)
        await upload(server, token, device, one_time=one_time)

    async def _list(self, who: str, device_ids: list[str], server: KeyServer, words: Words) -> None:
        for device_id in device_ids:
            if device_id not in self._devices:
                await self._upload(who, device_id, server, words, one_time=1)
        devices = [self._devices[device_id] for device_id in device_ids]
        await list_devices(server, words.known[f"{who}_token"], self._users[who], *devices)

    def _signer(self, who: str, words: Words) -> EntrySigner:
        signer = EntrySigner.of(self._users[who])
        key = signer.self_signing
        words.known |= {
            f"{who}_master": signer.member.master,
            f"{who}_self_signing": key.public_key,
            f"{who}_signed": _only_signature(key.signatures),
        }
        return signer

    def _encrypt_key(self, sender: OlmDevice, to: OlmDevice, session: OutboundSession, words: Words) -> str:
        sender.begin(self._claimed[to.device_id], to.keys)
        return sender.encrypt_to(to.address, session.room_key(words.known["uid"], to.keys)).body


def _note_entry(word: str, entry: MemberEntry, words: Words) -> None:
    words.known |= {f"{word}_hash": hash_of(entry), f"{word}_signature": _only_signature(entry.signatures)}


def _only_signature(signatures: Signatures) -> str:
    [[signature]] = [of_user.values() for of_user in signatures.values()]
    return signature


def _quoted(text: str) -> str:
    return text.split('"')[1]
