"""The one-process deployment answers every route that its API reference documents."""

import re
from pathlib import Path

import httpx

from chatterbox.wire.errors import Code
from tests.support.server import running


async def test_one_process_answers_every_documented_route(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server, httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        paths = (await http.get("/openapi.json")).raise_for_status().json()["paths"]
        unknown = []
        for path, methods in paths.items():
            for method in methods:
                answer = await http.request(method, re.sub(r"{\w+}", "1", path))
                if (
                    answer.is_error
                    and answer.content
                    and answer.json()["code"] in {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}
                ):
                    unknown.append(f"{method.upper()} {path}")
        assert unknown == []
        assert len(paths) > 20
