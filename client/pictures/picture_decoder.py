"""Runs the child process that decodes a picture."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import assert_never

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.failures import Failure
from client.text.picture_text import COLORS, Drawn, Graphics

KILL_S = 15.0
"""How long a child may take (seconds)."""
MOST_PIXELS = 4_000_000
_ROOT = Path(__file__).parents[2]
_RUN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('client.pictures.pixel_child', run_name='__main__')"
)
_KINDS = {Graphics.BLOCKS: "rgb", Graphics.KITTY: "png", Graphics.SIXEL: "palette"}


class _PixelSize(msgspec.Struct):
    width: int
    height: int


async def decode(picture: bytes, graphics: Graphics, width: int, height: int) -> Drawn:
    """Decode a picture to at most `width` x `height` pixels; raises `Failure` if it can't be shown."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-B", "-c", _RUN, str(_ROOT), str(width), str(height), _KINDS[graphics], str(COLORS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={},
    )  # fmt: skip
    try:
        async with asyncio.timeout(KILL_S):
            output, _ = await process.communicate(picture)
    except TimeoutError:
        raise Failure("Decoding the picture takes too long.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    drawn = _drawn(output, graphics)
    if drawn is None:
        raise Failure("The picture can't be shown. Save it, and open it with another program.")
    return drawn


def _drawn(output: bytes, graphics: Graphics) -> Drawn | None:
    """What the child wrote, if its size is right: it may be what an attacker made of it."""
    line, _, pixels = output.partition(b"\n")
    try:
        told = decode_json(line, _PixelSize)
    except UnreadableError:
        return None
    count = told.width * told.height
    if min(told.width, told.height) < 1 or count > MOST_PIXELS:
        return None
    match graphics:
        case Graphics.BLOCKS:
            return Drawn(told.width, told.height, pixels) if len(pixels) == 3 * count else None
        case Graphics.SIXEL:
            palette, indices = pixels[: COLORS * 3], pixels[COLORS * 3 :]
            is_right = len(indices) == count and max(indices) < COLORS
            return Drawn(told.width, told.height, indices, palette) if is_right else None
        case Graphics.KITTY:
            return Drawn(told.width, told.height, pixels) if pixels.startswith(b"\x89PNG") else None
        case _:
            assert_never(graphics)
