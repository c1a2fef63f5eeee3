"""Plays a transcript against a server of this checkout."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.support.server import Server, running
from tests.support.talker import Talker
from tests.support.transcript import Line, Words, frame, read


async def play(path: Path, folder: Path, words: Words, **environment: Any) -> None:
    """Say what the transcript's clients say to a server in `folder`; fails where it does not reply as written.

    `environment` are settings of the server, as `running` takes them.
    """
    lines = list(read(path))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(folder, **environment))
        talkers: dict[str, Talker] = {}
        for who in dict.fromkeys(line.who for line in lines):
            if "." not in who:
                words.known[f"{who}_token"] = await server.newcomer(who)
            talkers[who] = server.talker(None)
        for line in lines:
            if line.direction == "$":
                await _request(line, server, words)
            else:
                await _play(line, talkers[line.who], words)


async def _play(line: Line, talker: Talker, words: Words) -> None:
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
