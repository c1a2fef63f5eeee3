"""Pictures: previews, metadata, and what a child process refuses to decode."""

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.files.pictures.picture_process import PictureDecoder, PictureRefusedError, Refusal, Task
from tests.support.files_site import FilesSite
from tests.support.history import code
from tests.support.pictures import FORMATS, PLACE, bomb, hostile_files, picture


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


async def content_of(site: FilesSite, file: dict[str, Any], path: str = "") -> bytes:
    answer = await site.do("GET", f"/files/{file['id']}{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_picture_gets_two_previews_without_metadata(site: FilesSite, kind: str) -> None:
    file = await site.uploaded(picture(kind, (1500, 1000)), f"a.{kind.lower()}")
    assert (file["type"], file["width"], file["height"]) == (f"image/{kind.lower()}", 1500, 1000)
    for pixels, size in ((1280, (1280, 853)), (256, (256, 171))):
        answer = await site.do("GET", f"/files/{file['id']}/previews/{pixels}")
        assert answer.headers["content-type"] == "image/webp"
        assert answer.headers["content-disposition"] == "inline"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        preview = opened(answer.content)
        assert (preview.format, preview.size) == ("WEBP", size)
        assert PLACE not in answer.content
        assert not preview.getexif()


@pytest.mark.parametrize("kind", FORMATS)
async def test_the_original_loses_its_metadata_and_keeps_its_pixels(site: FilesSite, kind: str) -> None:
    content = picture(kind, trailer=b"PK\x03\x04" + PLACE)
    assert content.count(PLACE) >= 2
    stored = await content_of(site, await site.uploaded(content))
    assert PLACE not in stored
    assert len(stored) < len(content)
    before, after = opened(content), opened(stored)
    assert before.tobytes() == after.tobytes()
    assert getattr(before, "n_frames", 1) == getattr(after, "n_frames", 1)


@pytest.mark.parametrize("kind", FORMATS)
async def test_the_original_stays_as_it_is_where_that_is_asked_for(site: FilesSite, kind: str) -> None:
    content = picture(kind)
    file = await site.uploaded(content, keep_metadata="true")
    assert await content_of(site, file) == content
    assert PLACE not in await content_of(site, file, "/previews/256")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
async def test_a_jpeg_keeps_its_orientation(site: FilesSite, orientation: int) -> None:
    file = await site.uploaded(picture("JPEG", (300, 200), orientation=orientation))
    size = (200, 300) if orientation > 4 else (300, 200)
    assert (file["width"], file["height"]) == size
    exif = opened(await content_of(site, file)).getexif()
    assert dict(exif) == ({} if orientation == 1 else {0x0112: orientation})
    assert opened(await content_of(site, file, "/previews/1280")).size == size


async def test_the_quota_counts_a_picture_as_it_is_stored(site: FilesSite) -> None:
    file = await site.uploaded(picture("JPEG"))
    assert file["size"] == len(await content_of(site, file))
    assert await site.app.context.database.rows("SELECT bytes FROM quotas") == [(file["size"],)]


async def test_other_sizes_and_other_files_have_no_preview(site: FilesSite) -> None:
    file = await site.uploaded(picture("PNG"))
    text = await site.uploaded(b"text")
    for path in (f"{file['id']}/previews/512", f"{text['id']}/previews/256"):
        assert code(await site.do("GET", f"/files/{path}")) == (404, "file_unknown")


async def test_a_picture_of_more_than_40_megapixels_is_refused_by_its_header(site: FilesSite) -> None:
    content = bomb(20_000, 20_000)
    assert len(content) < 60_000
    refused = await site.post(content)
    assert code(refused) == (415, "file_refused")
    assert refused.json()["detail"].startswith("The picture has more than 40 megapixels.")
    file = await site.uploaded(content, keep_metadata="true")
    assert "width" not in file


async def test_a_damaged_picture_is_refused_unless_it_may_stay_as_it_is(site: FilesSite) -> None:
    content = picture("PNG")[:-5000]
    refused = await site.post(content)
    assert code(refused) == (415, "file_refused")
    assert refused.json()["detail"].endswith("To upload it as it is, without a preview, set keep_metadata=true.")
    file = await site.uploaded(content, keep_metadata="true")
    assert await content_of(site, file) == content


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x1cftypheic", b"\x00\x00\x00\x1cftypavif", b"II*\x00"])
async def test_a_picture_whose_metadata_cannot_be_removed_is_refused_unless_it_may_stay(
    site: FilesSite, head: bytes
) -> None:
    content = head + bytes(500)
    assert code(await site.post(content)) == (415, "file_refused")
    file = await site.uploaded(content, keep_metadata="true")
    assert file["type"] in {"image/heic", "image/avif", "image/tiff"}


async def test_nothing_but_the_file_and_its_previews_is_left(site: FilesSite) -> None:
    file = await site.uploaded(picture("JPEG"))
    assert code(await site.post(picture("JPEG")[:2000])) == (415, "file_refused")
    assert site.stored() == [file["id"], f"{file['id']}.1280", f"{file['id']}.256"]


async def test_500_hostile_files_are_refused_or_served_as_downloads_only(site: FilesSite) -> None:
    """None of them reaches a decoder in the service's process, or ends it."""
    gate = asyncio.Semaphore(3)

    async def upload(name: str, content: bytes) -> tuple[int, str]:
        async with gate:
            answer = await site.post(content, name)
        if answer.status_code != 201:
            assert code(answer) == (415, "file_refused"), (name, answer.text)
            return 415, answer.json()["detail"]
        headers = (await site.do("HEAD", f"/files/{answer.json()['id']}")).headers
        assert headers["content-disposition"].startswith("attachment;"), name
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(word in headers["content-type"] for word in ("html", "svg", "xml", "script"))
        return 201, headers["content-type"]

    answers = await asyncio.gather(*(upload(*each) for each in hostile_files(500)))
    assert len(answers) == 500
    assert {status for status, _ in answers} == {201, 415}
    assert (await site.http.get("/health/ready")).status_code == 200


def test_the_service_does_not_load_the_decoder() -> None:
    """In a process of its own: this one loads it to make pictures."""
    program = "import sys, services.files.app, services.files.__main__; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


LIMITED = "from services.files.pictures.picture_child import limit_itself; limit_itself(); "


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("bytearray(600 * 2**20)", "MemoryError"),
        ("open('{}/file', 'w', 1).write('x\\n')", "File too large"),
        ("import resource; print(resource.getrlimit(resource.RLIMIT_CPU))", "(10, 10)"),
        ("import resource; print(resource.getrlimit(resource.RLIMIT_NPROC))", "(0, 0)"),
    ],
)
def test_the_child_gives_up_memory_files_time_and_processes(tmp_path: Path, program: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + program.format(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said in done.stdout + done.stderr


async def test_a_child_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(picture("PNG", (3000, 2000)))
    refused: list[Refusal] = []
    decoder = PictureDecoder(refused.append, kill_s=0.01)
    with pytest.raises(PictureRefusedError):
        await decoder.decode(source, Task.STRIP, "image/png")
    assert refused == [Refusal.TOO_LONG]
    assert os.listdir(tmp_path) == ["source"]  # noqa: PTH208 - pathlib is not for async code
    assert (await PictureDecoder().decode(source, Task.STRIP, "image/png")).width == 3000
