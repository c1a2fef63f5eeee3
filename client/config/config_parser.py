"""From what a file, the environment and the command line say to one configuration, or to what is wrong. Pure, total.

What is said later in this list counts more: the defaults, the file, its profile, the environment, and the command
line with the profile that it names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from client.config import toml_positions
from client.config.config_fields import PREFIX, variable_of
from client.config.config_problems import ConfigProblem, did_you_mean
from client.config.config_schema import ROWS, SECTIONS, Config, NotifyMethod, config_of
from client.config.key_bindings import Actions, bind
from client.config.value_kinds import NAME, InvalidValueError, shown

PROFILES = "profiles"
_COMMAND = "password_command"
_PASSWORD = "is not read from a file; `password_command` and `keyring` know better places"  # noqa: S105


@dataclass(frozen=True, slots=True)
class CliOverrides:
    """What the command line says."""

    server: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """`config` holds what could be used; with `problems`, the rest of it is defaults. `origins`: key to a few words."""

    config: Config
    origins: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()
    profiles: tuple[str, ...] = ()


def parse(
    text: str, environ: Mapping[str, str], named: CliOverrides | None = None, actions: Actions | None = None
) -> ParsedConfig:
    """Read the text of a configuration file. `actions` are those that can be bound; None: any may be named."""
    said = toml_positions.document(text)
    if isinstance(said, ConfigProblem):
        return ParsedConfig(Config(), problems=(said,))
    return _ConfigParse(said, toml_positions.lines_of(text), environ, named or CliOverrides()).parsed(actions)


@dataclass(frozen=True, slots=True)
class OriginValue:
    """A checked value, and where it was said."""

    value: object
    origin: str


class _ConfigParse:
    """One parse: gathers checked values by layers, and problems."""

    def __init__(
        self,
        said: toml_positions.Document,
        lines: Mapping[toml_positions.Path, int],
        environ: Mapping[str, str],
        named: CliOverrides,
    ) -> None:
        self._said = said
        self._lines = lines
        self._environ = environ
        self._named = named
        self._problems: list[ConfigProblem] = []

    def parsed(self, actions: Actions | None) -> ParsedConfig:
        file = dict(self._table({name: value for name, value in self._said.items() if name != PROFILES}, ()))
        profiles = {name: dict(self._profile(name, value)) for name, value in self._profiles()}
        environment = dict(self._variables())
        chosen = self._chosen({**file, **environment}, profiles)
        layers = [file, environment]
        layers.insert(2 if self._named.profile else 1, profiles.get(str(chosen.value), {}))
        at = ConfigProblem("", "--server", in_file=False)
        values = _laid_over(
            [*layers, {"profile": chosen}, dict(self._check("server", self._named.server, "--server", at))]
        )
        config = self._finished(values, actions)
        origins = {name: value.origin for name, value in values.items() if value.origin}
        return ParsedConfig(config, origins, tuple(self._problems), tuple(profiles))

    def _finished(self, values: Mapping[str, OriginValue], actions: Actions | None) -> Config:
        """The configuration, once its values are held against each other."""
        given = {name: value.value for name, value in values.items()}
        config = config_of(given)
        bound, wrong = bind(config.keys, actions)
        for name, what in wrong:
            self._wrong(what, ("keys", name))
        if NotifyMethod.COMMAND in config.notices.by and not config.notices.command:
            what, origin = "names a command, but notices.command is empty", values["notices.by"].origin
            if origin.startswith("file"):
                self._wrong(what, ("notices", "by"))
            else:
                self._problems.append(ConfigProblem(what, origin, in_file=False))
        return config_of(given | {"keys": bound})

    def _table(
        self, said: toml_positions.Document, path: toml_positions.Path, within: toml_positions.Path = ()
    ) -> Iterator[tuple[str, OriginValue]]:
        """The checked values of a table; `path` is its place among the keys, `within` that of its profile."""
        for name, value in said.items():
            here = (*path, name)
            row = ROWS.get(".".join(here)) if not any("." in part for part in here) else None
            if row is None and len(here) == 1 and name in SECTIONS and not within:
                yield from self._section(value, here)
            elif row is None or (within and not row.about.in_profiles):
                self._unknown(here, within)
            elif row.about.is_table:
                yield row.name, OriginValue(dict(self._names(row.name, value, here)), self._origin(here))
            else:
                at = ConfigProblem("", ".".join((*within, *here)), self._line((*within, *here)))
                yield from self._check(row.name, value, self._origin((*within, *here)), at)

    def _section(self, value: object, here: toml_positions.Path) -> Iterator[tuple[str, OriginValue]]:
        if isinstance(value, Mapping):
            yield from self._table(value, here)
        else:
            self._wrong(f"must be a table: [{here[0]}]", here)

    def _names(self, row: str, value: object, here: toml_positions.Path) -> Iterator[tuple[str, object]]:
        """The entries of a table with names of one's own."""
        about = ROWS[row].about
        if not isinstance(value, Mapping):
            self._wrong(f"must be a table: [{row}]", here)
            return
        for name, entry in value.items():
            try:
                yield about.names.check(name) if about.names else name, about.kind.check(entry)
            except InvalidValueError as unfit:
                self._wrong(str(unfit), (*here, name))

    def _check(self, name: str, value: object, origin: str, at: ConfigProblem) -> Iterator[tuple[str, OriginValue]]:
        """The value of the key `name`, if there is one and it fits."""
        if value is None:
            return
        try:
            yield name, OriginValue(ROWS[name].about.kind.check(value), origin)
        except InvalidValueError as unfit:
            self._problems.append(ConfigProblem(str(unfit), at.where, at.line, at.in_file))

    def _variables(self) -> Iterator[tuple[str, OriginValue]]:
        """What the environment says. A variable that is empty counts as not set."""
        rows = {variable_of(row.name, row.about): row for row in ROWS.values() if not row.about.is_table}
        for variable, written in self._environ.items():
            row = rows.get(variable)
            if row is not None and written:
                at = ConfigProblem("", variable, in_file=False)
                yield from self._check(row.name, row.about.kind.of_text(written), variable, at)
            elif row is None and variable.startswith(PREFIX):
                what = "is no variable of the client" + did_you_mean(variable, rows)
                self._problems.append(ConfigProblem(what, variable, in_file=False))

    def _profiles(self) -> Iterator[tuple[str, toml_positions.Document]]:
        profiles = self._said.get(PROFILES, {})
        if not isinstance(profiles, Mapping):
            self._wrong("must be tables, each with a name: [profiles.work]", (PROFILES,))
            return
        for name, value in profiles.items():
            if not isinstance(value, Mapping):
                self._wrong(f"must be a table: [profiles.{name}]", (PROFILES, name))
            elif not NAME.fullmatch(name):
                self._wrong("must have a name of letters, digits, '_' and '-'", (PROFILES, name))
            else:
                yield name, value

    def _profile(self, name: str, value: toml_positions.Document) -> Iterator[tuple[str, OriginValue]]:
        return self._table(value, (), (PROFILES, name))

    def _chosen(self, values: Mapping[str, OriginValue], profiles: Mapping[str, object]) -> OriginValue:
        """The profile that is meant; one that does not exist is a problem."""
        chosen = values.get("profile", OriginValue("", ""))
        if self._named.profile is not None:
            chosen = OriginValue(self._named.profile, "--profile")
        if not chosen.value or chosen.value in profiles:
            return chosen
        what = f"names a profile that there is not: {shown(chosen.value)}{did_you_mean(str(chosen.value), profiles)}"
        in_file = chosen.origin.startswith("file")
        where = "profile" if in_file else chosen.origin
        self._problems.append(ConfigProblem(what, where, self._line(("profile",)) if in_file else None, in_file))
        return OriginValue("", "")

    def _unknown(self, here: toml_positions.Path, within: toml_positions.Path) -> None:
        *above, name = here
        if name == "password":
            what = _PASSWORD
        elif within and (name in ROWS or name in SECTIONS):
            what = "can't be set for a profile"
        else:
            what = "is no key" + did_you_mean(name, _known(".".join(above), in_profile=bool(within)))
        self._wrong(what, (*within, *here))

    def _wrong(self, what: str, path: toml_positions.Path) -> None:
        self._problems.append(ConfigProblem(what, ".".join(path), self._line(path)))

    def _line(self, path: toml_positions.Path) -> int | None:
        """The line of a key, or of the nearest table above it that has one."""
        return next((self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), None)

    def _origin(self, path: toml_positions.Path) -> str:
        line = self._line(path)
        return f"file, line {line}" if line else "file"


def _laid_over(layers: list[Mapping[str, OriginValue]]) -> dict[str, OriginValue]:
    """The values that count. A password command goes no further than the server and the user that it stands with.

    Else a server that is named elsewhere, in a profile or on the command line, would be sent the password of another.
    """
    values: dict[str, OriginValue] = {}
    meant_for: tuple[object, object] = ("", "")
    for layer in layers:
        values |= layer
        if _COMMAND in layer:
            meant_for = _whose(values)
    server, username = _whose(values)
    if _COMMAND in values and (meant_for[0] != server or meant_for[1] not in {"", username}):
        values[_COMMAND] = OriginValue((), f"none: that of {values[_COMMAND].origin} is for another server or user")
    return values


def _whose(values: Mapping[str, OriginValue]) -> tuple[object, object]:
    nothing = OriginValue("", "")
    return values.get("server", nothing).value, values.get("username", nothing).value


def _known(section: str, *, in_profile: bool) -> Iterator[str]:
    """The names that may stand in a section, or at the top of a file or of a profile."""
    prefix = f"{section}." if section else ""
    for row in ROWS.values():
        name = row.name.removeprefix(prefix)
        if row.name.startswith(prefix) and "." not in name and (row.about.in_profiles or not in_profile):
            yield name
    if not section and not in_profile:
        yield from (PROFILES, *sorted(SECTIONS))
