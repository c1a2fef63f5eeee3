"""What the programs of a transcript's users do with keys, besides frames: `ada * …`.

ada * lists ADADEVICE2                   her program makes the keys of a device of this session, and lists them
ada * uploads ADAPHONE22                 the same on another computer (in a new session), without listing them
ada * lists ADADEVICE2 and ADAPHONE22    she lists both
ada * session3 = new session             a Megolm session; the word is its id in frames
ada * body1 = key of session3 for bob    the payload with its key, encrypted for Bob's device
bob * body1 is a key of ada              he decrypts it
ada * envelope1 = "Hello" by session3
bob * envelope1 says "Hello"
"""

import re
from typing import Any

import msgspec

from chatterbox.wire.frames import Claimed, ClaimedKey
from tests.support.encrypted_talker import KeyServer, list_devices, upload, user_of
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

    def _encrypt_key(self, sender: OlmDevice, to: OlmDevice, session: OutboundSession, words: Words) -> str:
        sender.begin(self._claimed[to.device_id], to.keys)
        return sender.encrypt_to(to.address, session.room_key(words.known["uid"], to.keys)).body


def _quoted(text: str) -> str:
    return text.split('"')[1]
