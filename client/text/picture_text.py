"""Pictures as text for a terminal: half blocks, Kitty's graphics protocol, or Sixel. Pure."""

import base64
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple, assert_never

CELL_PIXELS = (8, 16)
"""Width and height of a character cell, where the terminal does not tell."""
COLORS = 128
"""Colours in the palette of a picture for Sixel."""
_KITTY_CHUNK = 4096
_RESET = "\x1b[0m"


class Graphics(StrEnum):
    """How a terminal can show a picture."""

    BLOCKS = "blocks"
    """Two pixels a character, by its foreground and its background."""
    KITTY = "kitty"
    SIXEL = "sixel"


class Drawn(NamedTuple):
    """A decoded picture: RGB for blocks, a PNG for Kitty, indices into `palette` (RGB) for Sixel."""

    width: int
    height: int
    pixels: bytes
    palette: bytes = b""


_KITTY = ("kitty", "ghostty")
_SIXEL = ("foot", "mlterm", "contour", "wezterm", "yaft")


def graphics_of(environ: Mapping[str, str]) -> Graphics:
    """What the terminal can show, as far as its environment tells. A multiplexer passes no graphics on.

    >>> graphics_of({"TERM": "xterm-kitty"}).value, graphics_of({"TERM": "foot"}).value, graphics_of({}).value
    ('kitty', 'sixel', 'blocks')
    """
    names = f"{environ.get('TERM', '')} {environ.get('TERM_PROGRAM', '')}".casefold()
    if "TMUX" in environ or "STY" in environ or names.startswith(("screen", "tmux")):
        return Graphics.BLOCKS
    if "KITTY_WINDOW_ID" in environ or any(name in names for name in _KITTY):
        return Graphics.KITTY
    if any(name in names for name in _SIXEL):
        return Graphics.SIXEL
    return Graphics.BLOCKS


def has_true_color(environ: Mapping[str, str]) -> bool:
    """Whether the terminal takes 24-bit colours; others take 256."""
    return environ.get("COLORTERM", "") in {"truecolor", "24bit"}


def pixel_size(graphics: Graphics, columns: int, rows: int, cell: tuple[int, int] = CELL_PIXELS) -> tuple[int, int]:
    """The most pixels of a picture that fits into `columns` x `rows` cells of `cell` pixels."""
    if graphics is Graphics.BLOCKS:
        return columns, 2 * rows
    return columns * cell[0], rows * cell[1]


def picture_text(picture: Drawn, graphics: Graphics, *, true_color: bool) -> str:
    """What to write to the terminal; the cursor ends at the start of the line below the picture."""
    match graphics:
        case Graphics.BLOCKS:
            return "".join(f"{row}{_RESET}\n" for row in _block_rows(picture, true_color=true_color))
        case Graphics.KITTY:
            return f"{''.join(_kitty(picture))}\n"
        case Graphics.SIXEL:
            return f"{_sixel(picture)}\n"
        case _:
            assert_never(graphics)


def _block_rows(picture: Drawn, *, true_color: bool) -> Iterator[str]:
    width, pixels = picture.width, picture.pixels
    for top in range(0, picture.height, 2):
        cells = []
        for column in range(width):
            above = _color(pixels, top * width + column, 38, true_color=true_color)
            if top + 1 < picture.height:
                cells.append((above, _color(pixels, (top + 1) * width + column, 48, true_color=true_color)))
            else:
                cells.append((above, "49"))
        yield "".join(f"\x1b[{fore};{back}m{'▀' * len(list(run))}" for (fore, back), run in groupby(cells))


def _color(pixels: bytes, at: int, layer: int, *, true_color: bool) -> str:
    red, green, blue = pixels[3 * at : 3 * at + 3]
    if true_color:
        return f"{layer};2;{red};{green};{blue}"
    return f"{layer};5;{16 + 36 * (red * 6 // 256) + 6 * (green * 6 // 256) + blue * 6 // 256}"


def _kitty(picture: Drawn) -> Iterator[str]:
    """Chunks of base64; all but the last say that more follow."""
    data = base64.b64encode(picture.pixels).decode("ascii")
    chunks = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    for number, chunk in enumerate(chunks, 1):
        more = int(number < len(chunks))
        keys = f"a=T,f=100,q=2,m={more}" if number == 1 else f"m={more}"
        yield f"\x1b_G{keys};{chunk}\x1b\\"


def _sixel(picture: Drawn) -> str:
    used = sorted(set(picture.pixels))
    colors = "".join(f"#{index};2;{';'.join(_percents(picture.palette, index))}" for index in used)
    bands = (_band(picture, top) for top in range(0, picture.height, 6))
    return f'\x1bPq"1;1;{picture.width};{picture.height}{colors}{"-".join(bands)}\x1b\\'


def _percents(palette: bytes, index: int) -> list[str]:
    return [str(value * 100 // 255) for value in palette[3 * index : 3 * index + 3]]


def _band(picture: Drawn, top: int) -> str:
    """Six rows of pixels: for each of their colours, which of a column's six pixels have it."""
    width = picture.width
    rows = [picture.pixels[row * width : (row + 1) * width] for row in range(top, min(top + 6, picture.height))]
    layers = []
    for index in sorted(set(b"".join(rows))):
        bits = [sum(1 << number for number, row in enumerate(rows) if row[column] == index) for column in range(width)]
        layers.append(f"#{index}" + "".join(_run(chr(63 + bit), len(list(run))) for bit, run in groupby(bits)))
    return "$".join(layers)


def _run(character: str, count: int) -> str:
    return f"!{count}{character}" if count > 3 else character * count
