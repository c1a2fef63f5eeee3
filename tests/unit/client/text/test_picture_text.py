"""Pictures as text for a terminal."""

import base64
import re

import pytest

from client.text.picture_text import Drawn, Graphics, graphics_of, picture_text, pixel_size

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def drawn(*rows: list[tuple[int, int, int]]) -> Drawn:
    return Drawn(len(rows[0]), len(rows), bytes(value for row in rows for pixel in row for value in pixel))


def read_sixel(text: str) -> dict[tuple[int, int], int]:
    """The colour of each pixel that Sixel data draws, read as a terminal does."""
    pixels: dict[tuple[int, int], int] = {}
    column, band, color = 0, 0, 0
    data = text.removeprefix("\x1bPq").split("\x1b")[0]
    for token in re.findall(r'"[\d;]+|#\d+(?:;[\d;]+)?|!\d+.|[$-]|[?-~]', data):
        if token[0] == "#":
            color = int(token[1:].split(";")[0])
        elif token == "$":
            column = 0
        elif token == "-":
            column, band = 0, band + 1
        elif token[0] != '"':
            end = column + (int(token[1:-1]) if token[0] == "!" else 1)
            bits = [bit for bit in range(6) if (ord(token[-1]) - 63) >> bit & 1]
            pixels |= {(x, 6 * band + bit): color for x in range(column, end) for bit in bits}
            column = end
    return pixels


class TestBlocks:
    def test_a_character_shows_two_pixels_one_above_the_other(self) -> None:
        text = picture_text(drawn([RED], [BLUE]), Graphics.BLOCKS, true_color=True)
        assert text == "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[0m\n"

    def test_the_row_below_the_last_one_of_an_odd_number_has_the_terminals_background(self) -> None:
        assert picture_text(drawn([RED]), Graphics.BLOCKS, true_color=True) == "\x1b[38;2;255;0;0;49m▀\x1b[0m\n"

    def test_equal_neighbours_share_one_colour_sequence(self) -> None:
        text = picture_text(drawn([RED] * 5, [RED] * 5), Graphics.BLOCKS, true_color=True)
        assert text.count("\x1b[38") == 1
        assert "▀▀▀▀▀" in text

    def test_a_terminal_without_true_colour_gets_the_colour_cube(self) -> None:
        text = picture_text(drawn([RED], [BLACK]), Graphics.BLOCKS, true_color=False)
        assert text == "\x1b[38;5;196;48;5;16m▀\x1b[0m\n"


def test_kitty_gets_the_png_in_chunks_of_which_only_the_last_says_that_it_is_the_last() -> None:
    png = bytes(range(256)) * 40
    text = picture_text(Drawn(1, 1, png), Graphics.KITTY, true_color=True)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert base64.b64decode("".join(data for _, data in chunks)) == png
    assert [keys[-3:] for keys, _ in chunks] == ["m=1"] * (len(chunks) - 1) + ["m=0"]
    assert max(len(data) for _, data in chunks) <= 4096


def test_sixel_draws_each_pixel_in_its_colour() -> None:
    width, height = 9, 14
    indices = bytes((3 * row + column // 4) % 5 for row in range(height) for column in range(width))
    text = picture_text(Drawn(width, height, indices, bytes(range(15))), Graphics.SIXEL, true_color=True)
    expected = {(at % width, at // width): index for at, index in enumerate(indices)}
    assert read_sixel(text) == expected


@pytest.mark.parametrize(
    ("environ", "graphics"),
    [
        ({"TERM": "xterm-256color"}, Graphics.BLOCKS),
        ({"TERM": "xterm-kitty"}, Graphics.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, Graphics.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, Graphics.SIXEL),
        ({"TERM": "foot"}, Graphics.SIXEL),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}, Graphics.BLOCKS),
    ],
)
def test_graphics_follow_the_terminal_and_a_multiplexer_shows_blocks(
    environ: dict[str, str], graphics: Graphics
) -> None:
    assert graphics_of(environ) is graphics


def test_a_cell_of_blocks_has_two_pixels_and_graphics_have_those_of_the_cell() -> None:
    assert pixel_size(Graphics.BLOCKS, 80, 24) == (80, 48)
    assert pixel_size(Graphics.SIXEL, 80, 24, (10, 20)) == (800, 480)
