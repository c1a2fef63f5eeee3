"""Every key of the configuration, in one table: name, kind, default, sentence.

`docs/config.md`, `chatterbox config` and the parser are made from the fields below. A new key is one more field here,
and then `python -m docs.tables`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from chatterbox.wire.limits import DEFAULT_ROOM
from client.config.config_fields import ABOUT, FieldInfo, key, table
from client.config.value_kinds import ADDRESS, COMMAND, FLAG, NAMED, ROOM, TEXT, WORD, choice, number, several


class NotifyLevel(StrEnum):
    """Of which messages of a room one wants to be told."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


class NotifyMethod(StrEnum):
    """A way to be told."""

    BELL = "bell"
    OSC9 = "osc9"
    OSC777 = "osc777"
    DESKTOP = "desktop"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """When and how one is told of a message."""

    default: NotifyLevel = key(  # noqa: RUF009 - it declares, as dataclasses.field does
        NotifyLevel.MENTIONS,
        choice(NotifyLevel),
        "Of which messages you are told: of all, of those that name you or have a keyword, or of none.",
    )
    rooms: Mapping[str, NotifyLevel] = table(ROOM, choice(NotifyLevel), 'The same for single rooms: `ops = "all"`.')
    keywords: tuple[str, ...] = key((), several(WORD), "Words that count as your name does: whole words, in any case.")
    by: tuple[NotifyMethod, ...] = key(
        (NotifyMethod.BELL,),
        several(choice(NotifyMethod)),
        "How you are told: by the terminal's bell, by its own notices (OSC 9: iTerm2, WezTerm, kitty; OSC 777: foot, "
        "urxvt), by `notify-send`, or by a command of yours. An empty list: not at all.",
    )
    command: tuple[str, ...] = key(
        (),
        COMMAND,
        "Run for each notice, without a shell, with one JSON object as its input: `title`, `body`, `why`, `count`, "
        "`messages`.",
    )
    command_timeout_s: float = key(
        5.0, number(0.1, 60), "Seconds after which `notify-send` or the command is ended, with all that it started."
    )
    quiet_s: float = key(
        5.0, number(0, 3600), 'Seconds after a notice in which what follows is gathered into one: "3 new in #ops".'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration in effect, complete and checked. `Config()` has every default."""

    profile: str = key("", NAMED, "The profile that is meant without `--profile`.")
    server: str = key(
        "",
        ADDRESS,
        "The server. Empty: that of the last login, else `http://127.0.0.1:8000`.",
        in_profiles=True,
        variable="CHATTERBOX_SERVER",
    )
    username: str = key("", TEXT, "Who `login` and `register` mean where they are told no name.", in_profiles=True)
    room: str = key(DEFAULT_ROOM, ROOM, "The room in which `chat` begins.", in_profiles=True)
    password_command: tuple[str, ...] = key(
        (),
        COMMAND,
        'Prints the password as its first line, so that nobody is asked: `"pass show chat"`. Run without a shell.',
        in_profiles=True,
    )
    password_timeout_s: float = key(60.0, number(0.1, 600), "Seconds that the password command may take.")
    keyring: bool = key(
        False,
        FLAG,
        "Keep passwords in the keyring of the system, and take them from there; needs Python's `keyring` package.",
        in_profiles=True,
    )
    theme: str = key(
        "",
        NAMED,
        "`dark`, `light`, `high-contrast`, `16-colours`, or the name of a file in `themes/`. Empty: the one that was "
        "chosen last on the full screen, at first `dark`.",
        in_profiles=True,
    )
    notices: NotificationSettings = field(default_factory=NotificationSettings)
    keys: Mapping[str, tuple[str, ...]] = table(
        WORD,
        several(WORD),
        'Keys by the name of what they do: `switch-room = ["ctrl+k"]`. An empty list takes them away.',
    )


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key as it is written in a file, its parts joined by dots."""

    name: str
    about: FieldInfo
    default: object


def _rows(of: Config | NotificationSettings, prefix: str = "") -> Iterator[ConfigKey]:
    for each in fields(of):
        value = getattr(of, each.name)
        if ABOUT in each.metadata:
            yield ConfigKey(prefix + each.name, each.metadata[ABOUT], value)
        else:
            yield from _rows(value, f"{each.name}.")


ROWS: Mapping[str, ConfigKey] = {row.name: row for row in _rows(Config())}
"""All keys, in the order of the docs."""
SECTIONS = frozenset(name.partition(".")[0] for name in ROWS if "." in name)


def values_of(config: Config) -> dict[str, object]:
    """The configuration as flat names and values, in the order of `ROWS`."""
    return {row.name: row.default for row in _rows(config)}


def config_of(values: Mapping[str, object]) -> Config:
    """The configuration with these values, which are checked; what is not among them has its default."""
    top = {name: value for name, value in values.items() if "." not in name}
    notices = {name.removeprefix("notices."): value for name, value in values.items() if name.startswith("notices.")}
    return Config(notices=NotificationSettings(**notices), **top)  # type: ignore[arg-type]  # each was checked by its kind
