"""Colour of a username, out of the theme's colours for people. Pure."""

from zlib import crc32

from client.config.themes import Theme


def person_colour(name: str, theme: Theme) -> str:
    """Return the colour for a name. It depends on the name only, in any case: it is the same in every room."""
    number = crc32(name.casefold().encode(errors="replace"))
    return theme.people[number % len(theme.people)]
