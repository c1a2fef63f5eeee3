"""The colour of somebody's name: one of those that the theme has for people. Pure."""

from zlib import crc32

from client.config.themes import Theme


def person_colour(name: str, theme: Theme) -> str:
    """By the name alone, in any case: the same on every screen and in every room."""
    number = crc32(name.casefold().encode(errors="replace"))
    return theme.people[number % len(theme.people)]
