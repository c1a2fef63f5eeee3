"""Plays a transcript against a server of this checkout."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from chatterbox.chassis.http.http_app import ServiceApp
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.history_api import FileUploaded
from services.history.history_context import HistoryContext
from tests.support.server import Server, running
from tests.support.talker import Talker
from tests.support.transcript import Line, Words, frame, read
from tests.support.transcript_devices import TranscriptDevices


async def play(path: Path, folder: Path, words: Words, **environment: Any) -> None:
    """Say what the transcript's clients say to a server in `folder`; fails where it does not reply as written.

    `environment` are settings of the server, as `running` takes them. Unless they say otherwise, conversations are
    encrypted only if they are begun so.
    """
    lines = list(read(path))
    environment.setdefault("encryption", EncryptionPolicy.ALLOWED)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(folder, **environment))
        devices = TranscriptDevices()
        talkers: dict[str, Talker] = {}
        for who in dict.fromkeys(line.who for line in lines):
            if _is_user(who):
                words.known[f"{who}_token"] = await server.newcomer(who)
            talkers[who] = server.talker(None)
        user_ids = {who: number for number, who in enumerate(filter(_is_user, talkers), 1)}
        for line in lines:
            match line.direction:
                case "$":
                    await _request(line, server, words)
                case "*":
                    await devices.do(line, server, words)
                case "+":
                    await _upload(server, UserInfo(user_ids[line.who], line.who), **frame(line))
                case _:
                    received = await _play(line, talkers[line.who], words)
                    if received is not None:
                        devices.note(received)


def _is_user(who: str) -> bool:
    return "." not in who


async def _upload(server: Server, user: UserInfo, room: str, file: dict[str, Any]) -> None:
    """Tell history of an uploaded file, as the files service does."""
    [context] = [
        app.context
        for app in server.whole.services
        if isinstance(app, ServiceApp) and isinstance(app.context, HistoryContext)
    ]
    history = context.history
    found = await history.upload_room(room, user)
    told = FileUploaded(room_id=found.room_id, user_id=user.user_id, file=msgspec.convert(file, AttachedFile))
    await history.add_file(told)


async def _play(line: Line, talker: Talker, words: Words) -> dict[str, Any] | None:
    """Returns the frame that was received, if the line is one."""
    if line.direction == ">":
        if frame(line).get("type") == "connect" and "id" not in frame(line):
            await talker.open()
        await talker.say(words.fill(line.text))
    elif line.direction == "!":
        assert await talker.closed() == int(line.text)
    elif line.direction == "~":
        talker.cut()
    else:
        actual = await _matching(frame(line), talker)
        assert words.agree(frame(line), actual), f"line {line.number}: {actual}"
        return actual
    return None


async def _request(line: Line, server: Server, words: Words) -> None:
    method, path, body = line.text.split(" ", 2)
    headers = {"Authorization": f"Bearer {words.known[f'{line.who}_token']}"}
    answer = await server.http.request(method, path, json=json.loads(body), headers=headers)
    assert answer.is_success, f"line {line.number}: {answer.text}"


async def _matching(expected: dict[str, Any], talker: Talker) -> dict[str, Any]:
    """The reply with that id, or the next push of that type: the two may come in either order."""
    if "id" in expected:
        return await talker.first(id=expected["id"])
    return await talker.push(expected["type"])
