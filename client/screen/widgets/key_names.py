"""Translates Textual's key names to those of the configuration."""

from textual import events
from textual.keys import REPLACED_KEYS, key_to_character

from client.config.key_bindings import canonical
from client.text.sanitize import is_dangerous, is_tag


def name_of(key: str, character: str | None = None) -> str:
    """Return a key as the configuration writes it: `question_mark` is `?`, `ctrl+underscore` is `ctrl+_`.

    >>> name_of("question_mark", "?"), name_of("ctrl+underscore"), name_of("alt+ctrl+up")
    ('?', 'ctrl+_', 'ctrl+alt+up')
    """
    modifiers, plus, last = key.rpartition("+")
    sign = character if not plus and character is not None else key_to_character(REPLACED_KEYS.get(last, last))
    return canonical(modifiers + plus + (sign or last)) or canonical(key) or key


def typed_text(event: events.Key) -> str:
    """Return what a key inserts: any character that a paste would keep, so also joiners and no-break spaces.

    Tags arrive one by one; whether they form a flag shows when the message is sent.
    """
    typed = event.character or ""
    return "" if any(is_dangerous(character) and not is_tag(character) for character in typed) else typed
