"""The HTTP API answers as in the recorded exchanges, which the documentation shows."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import running

FOLDER = Path(__file__).parent / "http_transcripts"


def exchanges(path: Path) -> Iterator[tuple[str, str, str]]:
    """Each request with its answer: who, request, answer."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for request, answer in zip(lines[::2], lines[1::2], strict=True):
        who, _, asked = request.partition(" > ")
        assert answer.startswith(f"{who} < "), answer
        yield who, asked, answer.partition(" < ")[2]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
async def test_the_server_answers_as_in_the_transcript(path: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        tokens: dict[str, str] = {}
        for who in {who for who, _, _ in exchanges(path)}:
            tokens[who] = await server.newcomer(who)
        for who, asked, expected in exchanges(path):
            method, address, *body = asked.split(" ", 2)
            answer = await server.http.request(
                method,
                address,
                json=json.loads(body[0]) if body else None,
                headers={"Authorization": f"Bearer {tokens[who]}"},
            )
            status, _, content = expected.partition(" ")
            assert answer.status_code == int(status), (asked, answer.text)
            if content != "…":
                assert (answer.json() if answer.content else "") == (json.loads(content) if content else ""), asked
