"""Golden transcripts: server and client both conform to the recorded conversations."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import codec
from chatterbox.wire.frames import asyncapi
from tests.support.transcript import FOLDER, Words, frame, read
from tests.support.transcript_player import play

TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))
by_name = pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)


@by_name
async def test_the_server_replies_as_in_the_transcript(path: Path, tmp_path: Path) -> None:
    await play(path, tmp_path, Words())


@by_name
def test_the_client_decodes_every_server_frame_of_the_transcript(path: Path) -> None:
    for line in read(path):
        if line.direction == "<":
            decoded = codec.decode_server_frame(line.text)
            assert msgspec.json.decode(codec.encode(decoded)) == frame(line), f"line {line.number}"


@by_name
def test_the_server_decodes_every_client_frame_of_the_transcript(path: Path) -> None:
    for line in read(path):
        if line.direction == ">":
            assert codec.decode_command(line.text.encode()).__struct_config__.tag == frame(line)["type"]


def test_every_frame_type_occurs_in_a_transcript() -> None:
    spoken = {frame(line)["type"] for path in TRANSCRIPTS for line in read(path) if line.direction in "<>"}
    every = {asyncapi.tag_of(kind) for kind in (*asyncapi.COMMANDS, *asyncapi.REPLIES, *asyncapi.PUSHES)}
    assert every - spoken == {"move"}  # a draining gateway says it, at a random time: see test_sessions
