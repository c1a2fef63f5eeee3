"""Shows a picture: the terminal is handed over until a key is pressed, the connection stays open."""

import asyncio
import fcntl
import os
import struct
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from chatterbox.wire.frames import AttachedFile
from client.failures import Failure
from client.net.file_api import FileApi
from client.pictures.picture_decoder import decode
from client.screen.actions.screen_interface import ScreenInterface
from client.text.picture_text import CELL_PIXELS, graphics_of, has_true_color, picture_text, pixel_size
from client.text.sanitize import inert, inert_name

PREVIEW_PIXELS = 1280
_CLEAR = "\x1b[2J\x1b[H"


async def view(screen: ScreenInterface, file: AttachedFile) -> None:
    """Show the preview of a picture as the terminal can: Kitty's graphics, Sixel, or half blocks."""
    graphics = graphics_of(os.environ)
    columns, rows, cell = _window()
    width, height = pixel_size(graphics, columns, rows - 2, cell)
    try:
        data = await asyncio.to_thread(_preview, screen, file.id)
        picture = await decode(data, graphics, width, height)
    except Failure as failure:
        screen.runtime.notice(inert(str(failure)))
        return
    shown = picture_text(picture, graphics, true_color=has_true_color(os.environ))
    with screen.suspended():
        await asyncio.to_thread(_show, f"{_CLEAR}{shown}{inert_name(file.name)} · any key: back")


def _preview(screen: ScreenInterface, file_id: str) -> bytes:
    context = screen.runtime.slash_commands.context
    with FileApi(context.server, context.tokens.token()) as api:
        return api.preview(file_id, PREVIEW_PIXELS)


def _window() -> tuple[int, int, tuple[int, int]]:
    """Columns, rows, and the pixels of a cell, of the terminal."""
    size = struct.pack("HHHH", 0, 0, 0, 0)
    try:
        rows, columns, x_pixels, y_pixels = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, size))
    except OSError:
        rows = columns = 0
    if not (rows and columns):
        return 80, 24, CELL_PIXELS
    cell = (x_pixels // columns, y_pixels // rows) if x_pixels and y_pixels else CELL_PIXELS
    return columns, rows, cell


def _show(text: str) -> None:
    """Write `text`, and wait for a key."""
    terminal = sys.__stdout__
    assert terminal is not None  # noqa: S101 - the screen runs on it
    terminal.write(text)
    terminal.flush()
    with _key_by_key(0):
        os.read(0, 32)
    terminal.write(f"\r\n{_CLEAR}")
    terminal.flush()


@contextmanager
def _key_by_key(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
