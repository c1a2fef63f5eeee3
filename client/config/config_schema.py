"""Every setting of the configuration: name, type, default, description.

`docs/config.md`, `chatterbox config` and the parser use the fields below. To add a setting, add a field and run
`python -m docs.tables`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from chatterbox.wire.limits import DEFAULT_ROOM
from client.config.config_fields import INFO, FieldInfo, key, table
from client.config.value_kinds import (
    ADDRESS,
    COMMAND,
    FLAG,
    PROFILE_OR_THEME_NAME,
    ROOM,
    TEXT,
    WORD,
    choice,
    number,
    several,
)


class NotifyLevel(StrEnum):
    """Which messages of a room cause a notification."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


class NotifyMethod(StrEnum):
    """How a notification is delivered."""

    BELL = "bell"
    OSC9 = "osc9"
    OSC777 = "osc777"
    DESKTOP = "desktop"
    COMMAND = "command"


class EncryptedNotice(StrEnum):
    """What a notification shows of an encrypted message."""

    TEXT = "text"
    SENDER = "sender"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """When and how notifications are sent."""

    default: NotifyLevel = key(  # noqa: RUF009 - it declares a field, as dataclasses.field does
        NotifyLevel.MENTIONS,
        choice(NotifyLevel),
        "Which messages cause a notification: all, those that mention you or contain a keyword, or none.",
    )
    rooms: Mapping[str, NotifyLevel] = table(
        ROOM, choice(NotifyLevel), 'The same for single rooms: `ops = "all"`; wins over `/notify`.'
    )
    keywords: tuple[str, ...] = key(
        (), several(WORD), "Words that count as a mention, like your name: whole words, case-insensitive."
    )
    by: tuple[NotifyMethod, ...] = key(
        (NotifyMethod.BELL,),
        several(choice(NotifyMethod)),
        "How notifications are delivered: the terminal's bell, its own notifications (OSC 9: iTerm2, WezTerm, kitty; "
        "OSC 777: foot, urxvt), `notify-send`, or your own command. An empty list turns them off.",
    )
    command: tuple[str, ...] = key(
        (),
        COMMAND,
        "Run for each notification, without a shell, with one JSON object on standard input: `title`, `body`, `why`, "
        "`count`, `messages`.",
    )
    encrypted: EncryptedNotice = key(  # noqa: RUF009 - it declares a field, as dataclasses.field does
        EncryptedNotice.SENDER,
        choice(EncryptedNotice),
        "What a notification shows of an encrypted message: its text, only who sent it, or nothing of either.",
    )
    command_timeout_s: float = key(
        5.0,
        number(0.1, 60),
        "Seconds after which `notify-send` or the command is killed, together with its child processes.",
    )
    quiet_s: float = key(
        5.0,
        number(0, 3600),
        'Seconds after a notification during which further messages are combined into one: "3 new in #ops".',
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """What the full screen shows of other users, and what it tells them."""

    presence: bool = key(True, FLAG, "Whether the full screen shows who is online.")
    typing: bool = key(True, FLAG, "Whether the full screen shows who is typing in the open room.")
    receipts: bool = key(True, FLAG, "Whether the full screen shows who has seen your last message of the open room.")
    share_typing: bool = key(
        True,
        FLAG,
        "Whether this client tells others that you are typing. To stop all your clients: `/privacy typing off`.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration in effect, complete and validated. `Config()` has the defaults."""

    profile: str = key("", PROFILE_OR_THEME_NAME, "The profile to use without `--profile`.")
    server: str = key(
        "",
        ADDRESS,
        "The server. Empty: the one of the last login, else `http://127.0.0.1:8000`.",
        in_profiles=True,
        variable="CHATTERBOX_SERVER",
    )
    username: str = key("", TEXT, "The username for `login` and `register` if none is given.", in_profiles=True)
    room: str = key(DEFAULT_ROOM, ROOM, "The room that `chat` opens first.", in_profiles=True)
    password_command: tuple[str, ...] = key(
        (),
        COMMAND,
        'Prints the password on its first line, so that you are not asked: `"pass show chat"`. Run without a shell.',
        in_profiles=True,
    )
    password_timeout_s: float = key(60.0, number(0.1, 600), "Time limit for the password command in seconds.")
    keyring: bool = key(
        False,
        FLAG,
        "Store passwords in the system's keyring and read them from there; needs Python's `keyring` package.",
        in_profiles=True,
    )
    theme: str = key(
        "",
        PROFILE_OR_THEME_NAME,
        "`dark`, `light`, `high-contrast`, `16-colours`, or the name of a file in `themes/`. Empty: the one that was "
        "last chosen on the full screen, initially `dark`.",
        in_profiles=True,
    )
    open_command: tuple[str, ...] = key(
        (),
        COMMAND,
        "Opens links on the full screen; the address is appended, or replaces `%s`. Run without a shell, in the "
        "background, except text browsers such as w3m. Empty: `$BROWSER`, or a browser that is installed.",
    )
    mouse: bool = key(
        True,
        FLAG,
        "Whether clicks open rooms and the wheel scrolls on the full screen. If not, the mouse selects text as usual.",
    )
    notices: NotificationSettings = field(default_factory=NotificationSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    keys: Mapping[str, tuple[str, ...]] = table(
        WORD,
        several(WORD),
        'Keys by action: `switch-room = ["ctrl+k"]`. An empty list removes the default keys of the action.',
    )


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A setting by its full name, with dots, as in `notices.default`."""

    name: str
    info: FieldInfo
    default: object


def _keys_of(settings: Config | NotificationSettings | PeopleSettings, prefix: str = "") -> Iterator[ConfigKey]:
    for each in fields(settings):
        value = getattr(settings, each.name)
        if INFO in each.metadata:
            yield ConfigKey(prefix + each.name, each.metadata[INFO], value)
        else:
            yield from _keys_of(value, f"{each.name}.")


KEYS: Mapping[str, ConfigKey] = {setting.name: setting for setting in _keys_of(Config())}
"""All settings, in the order of the docs."""
SECTIONS = frozenset(name.partition(".")[0] for name in KEYS if "." in name)


def values_of(config: Config) -> dict[str, object]:
    """The configuration as full names and values, in the order of `KEYS`."""
    return {setting.name: setting.default for setting in _keys_of(config)}


def config_of(values: Mapping[str, object]) -> Config:
    """Build a configuration from validated values by full name; the others have their defaults."""
    top = {name: value for name, value in values.items() if "." not in name}
    notices, people = (_within(section, values) for section in ("notices", "people"))
    return Config(notices=NotificationSettings(**notices), people=PeopleSettings(**people), **top)  # type: ignore[arg-type]  # each was checked by its kind


def _within(section: str, values: Mapping[str, object]) -> dict[str, object]:
    """The values of a section, by the names that they have in it."""
    return {name.removeprefix(f"{section}."): value for name, value in values.items() if name.startswith(f"{section}.")}
