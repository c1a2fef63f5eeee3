"""Merges file, profile, environment and command line into one validated configuration. Pure; any input is accepted.

Later sources override earlier ones: defaults, file, profile, environment, command line. A profile that the command line
names comes after the environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from client.config import toml_positions
from client.config.config_fields import PREFIX, variable_of
from client.config.config_problems import ConfigProblem, did_you_mean
from client.config.config_schema import KEYS, SECTIONS, Config, NotifyMethod, config_of
from client.config.key_bindings import Actions, bind
from client.config.value_kinds import NAME, InvalidValueError, shown

PROFILES = "profiles"
_PASSWORD_COMMAND = "password_command"  # noqa: S105 - a name
_PASSWORD = "not read from a file; use `password_command` or `keyring`"  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class CliOverrides:
    """`--server` and `--profile`."""

    server: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """`config` has the valid values; invalid ones are in `problems` and have their defaults.

    `origins` says where a value comes from, by the full name of its setting or table entry.
    """

    config: Config
    origins: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()
    profiles: tuple[str, ...] = ()


def parse(
    text: str, environ: Mapping[str, str], overrides: CliOverrides | None = None, actions: Actions | None = None
) -> ParsedConfig:
    """Parse the text of a configuration file. `actions` are those that keys can be bound to; None accepts any name."""
    document = toml_positions.parse_document(text)
    if isinstance(document, ConfigProblem):
        return ParsedConfig(Config(), problems=(document,))
    parser = _ConfigParser(document, toml_positions.lines_of(text), environ, overrides or CliOverrides())
    return parser.parse(actions)


@dataclass(frozen=True, slots=True)
class OriginValue:
    """A validated value and where it was set; for a table, also where each entry was set."""

    value: object
    origin: str
    in_file: bool = False
    entry_origins: Mapping[str, str] = field(default_factory=dict)


class _ConfigParser:
    """Parses one configuration; collects problems."""

    def __init__(
        self,
        document: toml_positions.Document,
        lines: Mapping[toml_positions.Path, int],
        environ: Mapping[str, str],
        overrides: CliOverrides,
    ) -> None:
        self._document = document
        self._lines = lines
        self._environ = environ
        self._overrides = overrides
        self._problems: list[ConfigProblem] = []

    def parse(self, actions: Actions | None) -> ParsedConfig:
        top = {name: value for name, value in self._document.items() if name != PROFILES}
        file = dict(self._table(top, ()))
        profiles = {name: dict(self._table(value, (), (PROFILES, name))) for name, value in self._profile_tables()}
        environment = dict(self._variables())
        chosen = self._choose_profile({**file, **environment}, profiles)
        profile = profiles.get(str(chosen.value), {})
        layers = [file, environment, profile] if self._overrides.profile else [file, profile, environment]
        values = _merged([*layers, {"profile": chosen}, dict(self._server_override())])
        config = self._build(values, actions)
        return ParsedConfig(config, dict(_origins(values)), tuple(self._problems), tuple(profiles))

    def _build(self, values: Mapping[str, OriginValue], actions: Actions | None) -> Config:
        """Build the configuration and check what concerns several settings."""
        given = {name: value.value for name, value in values.items()}
        config = config_of(given)
        bound, problems = bind(config.keys, actions)
        for name, what in problems:
            self._report(what, ("keys", name))
        if NotifyMethod.COMMAND in config.notices.by and not config.notices.command:
            what, by = 'contains "command", but notices.command is empty', values["notices.by"]
            if by.in_file:
                self._report(what, ("notices", "by"))
            else:
                self._problems.append(ConfigProblem(what, by.origin, in_file=False))
        return config_of(given | {"keys": bound})

    def _table(
        self, table: toml_positions.Document, path: toml_positions.Path, within: toml_positions.Path = ()
    ) -> Iterator[tuple[str, OriginValue]]:
        """The valid values of a table. `path` is its full name as a setting, `within` that of its profile."""
        for name, value in table.items():
            here = (*path, name)
            setting = KEYS.get(".".join(here)) if not any("." in part for part in here) else None
            if setting is None and len(here) == 1 and name in SECTIONS and not within:
                yield from self._section(value, here)
            elif setting is None or (within and not setting.info.in_profiles):
                self._report_unknown(here, within)
            elif setting.info.is_table:
                entries = dict(self._entries(setting.name, value, here))
                origins = {entry: found.origin for entry, found in entries.items()}
                values = {entry: found.value for entry, found in entries.items()}
                yield setting.name, OriginValue(values, self._origin(here), in_file=True, entry_origins=origins)
            else:
                yield from self._in_file(setting.name, value, (*within, *here))

    def _section(self, value: object, here: toml_positions.Path) -> Iterator[tuple[str, OriginValue]]:
        if isinstance(value, Mapping):
            yield from self._table(value, here)
        else:
            self._report(f"must be a table: [{here[0]}]", here)

    def _entries(self, name: str, value: object, here: toml_positions.Path) -> Iterator[tuple[str, OriginValue]]:
        """The valid entries of a table whose entries the user names."""
        info = KEYS[name].info
        if not isinstance(value, Mapping):
            self._report(f"must be a table: [{name}]", here)
            return
        for written, entry in value.items():
            try:
                checked = info.entry_names.check(written) if info.entry_names else written
                yield checked, OriginValue(info.kind.check(entry), self._origin((*here, written)), in_file=True)
            except InvalidValueError as problem:
                self._report(str(problem), (*here, written))

    def _in_file(self, name: str, value: object, path: toml_positions.Path) -> Iterator[tuple[str, OriginValue]]:
        try:
            yield name, OriginValue(KEYS[name].info.kind.check(value), self._origin(path), in_file=True)
        except InvalidValueError as problem:
            self._report(str(problem), path)

    def _elsewhere(self, name: str, value: object, origin: str) -> Iterator[tuple[str, OriginValue]]:
        """A value from the environment or the command line, if it is valid."""
        try:
            yield name, OriginValue(KEYS[name].info.kind.check(value), origin)
        except InvalidValueError as problem:
            self._problems.append(ConfigProblem(str(problem), origin, in_file=False))

    def _variables(self) -> Iterator[tuple[str, OriginValue]]:
        """The values of environment variables. An empty variable counts as unset."""
        settings = {variable_of(each.name, each.info): each for each in KEYS.values() if not each.info.is_table}
        for variable, text in self._environ.items():
            setting = settings.get(variable)
            if setting is not None and text:
                yield from self._elsewhere(setting.name, setting.info.kind.from_text(text), variable)
            elif setting is None and variable.startswith(PREFIX):
                what = "unknown variable" + did_you_mean(variable, settings)
                self._problems.append(ConfigProblem(what, variable, in_file=False))

    def _server_override(self) -> Iterator[tuple[str, OriginValue]]:
        if self._overrides.server is not None:
            yield from self._elsewhere("server", self._overrides.server, "--server")

    def _profile_tables(self) -> Iterator[tuple[str, toml_positions.Document]]:
        profiles = self._document.get(PROFILES, {})
        if not isinstance(profiles, Mapping):
            self._report("must be named tables: [profiles.work]", (PROFILES,))
            return
        for name, value in profiles.items():
            if not isinstance(value, Mapping):
                self._report(f"must be a table: [profiles.{name}]", (PROFILES, name))
            elif not NAME.fullmatch(name):
                self._report("must have a name of letters, digits, '_' and '-'", (PROFILES, name))
            else:
                yield name, value

    def _choose_profile(self, values: Mapping[str, OriginValue], profiles: Mapping[str, object]) -> OriginValue:
        """The profile to use; one that does not exist is a problem."""
        chosen = values.get("profile", OriginValue("", ""))
        if self._overrides.profile is not None:
            chosen = OriginValue(self._overrides.profile, "--profile")
        if not chosen.value or chosen.value in profiles:
            return chosen
        what = f"no profile {shown(chosen.value)}{did_you_mean(str(chosen.value), profiles)}"
        if chosen.in_file:
            self._report(what, ("profile",))
        else:
            self._problems.append(ConfigProblem(what, chosen.origin, in_file=False))
        return OriginValue("", "")

    def _report_unknown(self, here: toml_positions.Path, within: toml_positions.Path) -> None:
        *section, name = here
        if name == "password":
            what = _PASSWORD
        elif within and (name in KEYS or name in SECTIONS):
            what = "can't be set in a profile"
        else:
            what = "unknown setting" + did_you_mean(name, _known(".".join(section), in_profile=bool(within)))
        self._report(what, (*within, *here))

    def _report(self, what: str, path: toml_positions.Path) -> None:
        self._problems.append(ConfigProblem(what, ".".join(path), self._line(path)))

    def _line(self, path: toml_positions.Path) -> int | None:
        """The line of a key, or of the nearest table above it that has one."""
        return next((self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), None)

    def _origin(self, path: toml_positions.Path) -> str:
        line = self._line(path)
        return f"file, line {line}" if line else "file"


def _origins(values: Mapping[str, OriginValue]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if value.origin:
            yield name, value.origin
        for entry, origin in value.entry_origins.items():
            yield f"{name}.{entry}", origin


def _merged(layers: list[Mapping[str, OriginValue]]) -> dict[str, OriginValue]:
    """Merge layers, later over earlier. A password command applies only to the server and user of its own layer.

    Otherwise a server that a profile or the command line names would receive the password of another server.
    """
    values: dict[str, OriginValue] = {}
    meant_for: tuple[object, object] = ("", "")
    for layer in layers:
        values |= layer
        if _PASSWORD_COMMAND in layer:
            meant_for = _server_and_user(values)
    server, username = _server_and_user(values)
    if _PASSWORD_COMMAND in values and (meant_for[0] != server or meant_for[1] not in {"", username}):
        origin = f"unset: the one from {values[_PASSWORD_COMMAND].origin} is for another server or user"
        values[_PASSWORD_COMMAND] = OriginValue((), origin)
    return values


def _server_and_user(values: Mapping[str, OriginValue]) -> tuple[object, object]:
    unset = OriginValue("", "")
    return values.get("server", unset).value, values.get("username", unset).value


def _known(section: str, *, in_profile: bool) -> Iterator[str]:
    """The names that a section, or the top of a file or profile, accepts."""
    prefix = f"{section}." if section else ""
    for setting in KEYS.values():
        name = setting.name.removeprefix(prefix)
        if setting.name.startswith(prefix) and "." not in name and (setting.info.in_profiles or not in_profile):
            yield name
    if not section and not in_profile:
        yield from (PROFILES, *sorted(SECTIONS))
