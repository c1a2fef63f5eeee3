"""Notices that the terminal gives: its bell, and sequences that some terminals know. Pure: text comes out.

OSC 9 is iTerm2's and ConEmu's, OSC 777 that of urxvt's `notify`; a terminal that knows neither shows nothing.
"""

from client.notifications.notification import Notification

BELL = "\a"
_ST = "\x1b\\"


def osc9(notice: Notification) -> str:
    """`OSC 9 ; text ST`. ConEmu takes a number and a semicolon at the text's beginning for a command."""
    return f"\x1b]9;{_field(f'{notice.title}: {notice.body}')}{_ST}"


def osc777(notice: Notification) -> str:
    """`OSC 777 ; notify ; title ; body ST`."""
    return f"\x1b]777;notify;{_field(notice.title)};{_field(notice.body)}{_ST}"


def through_tmux(sequence: str) -> str:
    """A sequence that tmux hands on to its terminal, where `allow-passthrough` is on."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}{_ST}"


def _field(text: str) -> str:
    """Inert text without what parts fields. Nothing that is left can end a sequence or begin another."""
    return text.replace(";", ",")
