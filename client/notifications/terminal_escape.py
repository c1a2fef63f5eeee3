"""Escape sequences for terminal notifications: the bell, OSC 9 and OSC 777. Pure.

OSC 9 is from iTerm2 and ConEmu, OSC 777 from urxvt's `notify`; terminals that support neither ignore them.
"""

from client.notifications.notification import Notification

BELL = "\a"
_ST = "\x1b\\"


def osc9(notification: Notification) -> str:
    """`OSC 9 ; text ST`. ConEmu takes a number and a semicolon at the start of the text as a command."""
    return f"\x1b]9;{_field(f'{notification.title}: {notification.body}')}{_ST}"


def osc777(notification: Notification) -> str:
    """`OSC 777 ; notify ; title ; body ST`."""
    return f"\x1b]777;notify;{_field(notification.title)};{_field(notification.body)}{_ST}"


def through_tmux(sequence: str) -> str:
    """Wrap a sequence so that tmux passes it to its terminal, if `allow-passthrough` is on."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}{_ST}"


def _field(text: str) -> str:
    """Inert text without field separators. Nothing in it can end the sequence or start another."""
    return text.replace(";", ",")
