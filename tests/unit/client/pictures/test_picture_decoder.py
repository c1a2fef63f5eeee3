"""The child process that decodes pictures for the terminal."""

import asyncio
from io import BytesIO

import pytest
from PIL import Image

from client.failures import Failure
from client.pictures.picture_decoder import decode
from client.text.picture_text import COLORS, Graphics


def encoded(kind: str = "WEBP", size: tuple[int, int] = (64, 32), color: tuple[int, ...] = (200, 10, 10)) -> bytes:
    file = BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", size, color).save(file, kind, lossless=True)
    return file.getvalue()


async def test_a_picture_is_decoded_and_fits_into_what_is_asked_for() -> None:
    picture = await decode(encoded(), Graphics.BLOCKS, 16, 16)
    assert (picture.width, picture.height) == (16, 8)
    assert set(zip(*[iter(picture.pixels)] * 3, strict=True)) == {(200, 10, 10)}


async def test_each_way_of_drawing_gets_what_it_needs() -> None:
    kitty, sixel = await asyncio.gather(
        decode(encoded(), Graphics.KITTY, 64, 64), decode(encoded("PNG"), Graphics.SIXEL, 64, 64)
    )
    with Image.open(BytesIO(kitty.pixels)) as shown:
        assert (shown.format, shown.size) == ("PNG", (64, 32))
    assert len(sixel.palette) == 3 * COLORS
    first = sixel.pixels[0]
    assert tuple(sixel.palette[3 * first : 3 * first + 3]) == (200, 10, 10)


async def test_what_is_transparent_is_black() -> None:
    picture = await decode(encoded("PNG", color=(255, 255, 255, 0)), Graphics.BLOCKS, 8, 8)
    assert set(picture.pixels) == {0}


@pytest.mark.parametrize("data", [b"", b"not a picture", encoded()[:30], encoded("PNG", (9000, 9000))])
async def test_what_is_no_picture_or_too_large_is_a_failure_with_the_next_step(data: bytes) -> None:
    with pytest.raises(Failure, match="Save it, and open it with another program"):
        await decode(data, Graphics.BLOCKS, 16, 16)
