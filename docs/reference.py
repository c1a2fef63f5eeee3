"""Write the start page and the API reference as static files for the edge: `python -m docs.reference FOLDER`.

They are what the single-process Chatterbox answers, without links to health checks, which the edge keeps private. No
server is started and no database is opened.
"""

import asyncio
import re
import sys
from pathlib import Path

import httpx

from chatterbox.chassis.settings import LimitSettings
from services.allinone.app import AllSettings, create_all
from services.allinone.start_page import start_page
from services.auth.settings import AuthSettings
from services.files.settings import FilesSettings
from services.gateway.settings import GatewaySettings
from services.history.settings import HistorySettings

PAGES = ("docs", "openapi.json", "asyncapi.json")


async def write(folder: Path) -> None:
    """Write the reference and the assets that its page loads."""
    settings = AllSettings(
        AuthSettings.from_environment(),
        HistorySettings.from_environment(),
        GatewaySettings.from_environment(),
        LimitSettings.from_environment(),
        FilesSettings.from_environment(),
    )
    app = create_all(settings).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference") as http:
        page = (await http.get("/docs")).text
        for path in (*PAGES, *sorted(set(re.findall(r"docs-assets/[\w.-]+", page)))):
            answer = (await http.get(path)).raise_for_status()
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.with_suffix(".html") if path == "docs" else file).write_bytes(answer.content)
    (folder / "start.html").write_text(start_page(has_health=False))


def main() -> None:
    asyncio.run(write(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
