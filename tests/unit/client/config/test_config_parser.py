"""Merging file, profile, environment and command line, and reporting problems with their lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.config.config_parser import CliOverrides, ParsedConfig, parse
from client.config.config_schema import KEYS, Config, NotifyLevel, NotifyMethod, values_of
from client.config.key_bindings import DefaultKeys

FILE = """\
server = "https://chat.example.org"
username = "ada"
theme = "light"

[notices]
default = "none"

[notices.rooms]
"#Ops" = "all"

[profiles.work]
server = "https://work.example.org"
room = "desk"
"""


def config(text: str = FILE, environ: dict[str, str] | None = None, **overrides: str) -> Config:
    parsed = parse(text, environ or {}, CliOverrides(**overrides))
    assert parsed.problems == ()
    return parsed.config


def problems_of(text: str, environ: dict[str, str] | None = None, overrides: CliOverrides | None = None) -> list[str]:
    return [problem.sentence("f") for problem in parse(text, environ or {}, overrides).problems]


class TestPrecedence:
    def test_an_empty_file_gives_the_defaults(self) -> None:
        assert parse("", {}) == ParsedConfig(Config(), {}, (), ())

    def test_the_file_overrides_the_defaults(self) -> None:
        found = config()
        assert (found.server, found.username, found.theme) == ("https://chat.example.org", "ada", "light")
        assert found.notices.default is NotifyLevel.NONE
        assert found.notices.rooms == {"ops": NotifyLevel.ALL}

    def test_direct_conversations_are_named_by_the_user(self) -> None:
        found = config('room = "@Bob"\n[notices.rooms]\n"@Eve" = "none"\n')
        assert (found.room, dict(found.notices.rooms)) == ("@bob", {"@eve": NotifyLevel.NONE})

    def test_a_profile_overrides_the_file(self) -> None:
        found = config('profile = "work"\n' + FILE)
        assert (found.server, found.username, found.room) == ("https://work.example.org", "ada", "desk")

    def test_the_environment_overrides_file_and_profile(self) -> None:
        environ = {"CHATTERBOX_SERVER": "https://here.example.org", "CHATTERBOX_CLIENT_PROFILE": "work"}
        found = config(FILE, environ)
        assert (found.server, found.room) == ("https://here.example.org", "desk")

    def test_a_profile_from_the_command_line_overrides_the_environment(self) -> None:
        found = config(FILE, {"CHATTERBOX_SERVER": "https://here.example.org"}, profile="work")
        assert found.server == "https://work.example.org"

    def test_a_server_from_the_command_line_overrides_everything(self) -> None:
        environ = {"CHATTERBOX_SERVER": "https://here.example.org"}
        assert config(FILE, environ, profile="work", server="http://named").server == "http://named"

    def test_a_profile_from_the_command_line_replaces_the_configured_one(self) -> None:
        assert config('profile = "work"\n[profiles.work]\n[profiles.home]\n', profile="home").profile == "home"

    def test_an_empty_variable_counts_as_unset(self) -> None:
        assert config(FILE, {"CHATTERBOX_SERVER": "", "CHATTERBOX_CLIENT_THEME": ""}).theme == "light"

    def test_each_value_and_table_entry_has_its_origin(self) -> None:
        environ = {"CHATTERBOX_CLIENT_KEYRING": "yes"}
        parsed = parse(FILE, environ, CliOverrides(server="http://named", profile="work"))
        assert parsed.origins == {
            "server": "--server",
            "profile": "--profile",
            "username": "file, line 2",
            "theme": "file, line 3",
            "notices.default": "file, line 6",
            "notices.rooms": "file, line 8",
            "notices.rooms.ops": "file, line 9",
            "room": "file, line 13",
            "keyring": "CHATTERBOX_CLIENT_KEYRING",
        }


class TestVariables:
    def test_variables_of_each_kind_are_converted(self) -> None:
        environ = {
            "CHATTERBOX_CLIENT_NOTICES_BY": "bell, desktop",
            "CHATTERBOX_CLIENT_NOTICES_QUIET_S": "1.5",
            "CHATTERBOX_CLIENT_NOTICES_KEYWORDS": "disk full,deploy",
            "CHATTERBOX_CLIENT_PASSWORD_COMMAND": "pass show 'chat room'",
            "CHATTERBOX_CLIENT_KEYRING": "Off",
        }
        found = config("keyring = true", environ)
        assert found.notices.by == (NotifyMethod.BELL, NotifyMethod.DESKTOP)
        assert found.notices.quiet_s == 1.5
        assert found.notices.keywords == ("disk full", "deploy")
        assert found.password_command == ("pass", "show", "chat room")
        assert found.keyring is False

    def test_an_invalid_variable_is_named(self) -> None:
        assert problems_of("", {"CHATTERBOX_CLIENT_KEYRING": "perhaps"}) == [
            "CHATTERBOX_CLIENT_KEYRING: must be true or false, not 'perhaps'."
        ]

    def test_an_unknown_variable_gets_a_suggestion(self) -> None:
        assert problems_of("", {"CHATTERBOX_CLIENT_TEME": "dark"}) == [
            "CHATTERBOX_CLIENT_TEME: unknown variable. Did you mean CHATTERBOX_CLIENT_THEME?"
        ]

    def test_notification_by_command_without_a_command_is_reported(self) -> None:
        (problem,) = problems_of("", {"CHATTERBOX_CLIENT_NOTICES_BY": "command"})
        assert problem == 'CHATTERBOX_CLIENT_NOTICES_BY: contains "command", but notices.command is empty.'

    def test_variables_of_the_services_are_ignored(self) -> None:
        assert config("", {"CHATTERBOX_PORT": "x", "CHATTERBOX_DEBUG": "1", "HOME": "/"}) == Config()


class TestProblems:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("\n\nthme = 1", "f, line 3: thme: unknown setting. Did you mean theme?"),
            ("[notices]\nbye = []", "f, line 2: notices.bye: unknown setting. Did you mean by?"),
            ("[notcies]\nby = []", "f, line 1: notcies: unknown setting. Did you mean notices?"),
            ("xyzzy = 1", "f, line 1: xyzzy: unknown setting."),
            (
                'password = "x"',
                "f, line 1: password: not read from a file; use `password_command` or `keyring`.",
            ),
            ("notices = 3", "f, line 1: notices: must be a table: [notices]."),
            ("notices.rooms = 3", "f, line 1: notices.rooms: must be a table: [notices.rooms]."),
            ('[notices.rooms]\nops = "al"', 'f, line 2: notices.rooms.ops: must be "all", "mentions" or "none", not'),
            (
                '[notices.rooms]\n"a b" = "all"',
                "f, line 2: notices.rooms.a b: must be the name of a room, or @USERNAME, not 'a b'.",
            ),
            ("[notices]\nquiet_s = -1", "f, line 2: notices.quiet_s: must be a number from 0 to 3600, not -1."),
            ("[notices]\nquiet_s = nan", "f, line 2: notices.quiet_s: must be a number from 0 to 3600, not nan."),
            ("[notices]\nquiet_s = true", "f, line 2: notices.quiet_s: must be a number from 0 to 3600, not True."),
            ("keyring = 1", "f, line 1: keyring: must be true or false, not 1."),
            (
                'server = "chat"',
                "f, line 1: server: must be the address of a server, not 'chat'. Did you mean https://chat?",
            ),
            ("room = 7", "f, line 1: room: must be text in quotes, not 7."),
            ('theme = "../x"', "f, line 1: theme: must be a name of letters, digits, '_' and '-', not '../x'."),
            ('username = "a\\u0000"', "f, line 1: username: must be without NUL characters, not 'a\\x00'."),
            ('password_command = "it\'s"', "f, line 1: password_command: must be a command with closed quotes."),
            ('password_command = [""]', "f, line 1: password_command: must be a command that starts with the name of"),
            (
                '[notices]\nby = ["command"]',
                'f, line 2: notices.by: contains "command", but notices.command is empty.',
            ),
            ("profiles = 1", "f, line 1: profiles: must be named tables: [profiles.work]."),
            ("profiles.work = 1", "f, line 1: profiles.work: must be a table: [profiles.work]."),
            ('[profiles."a/b"]', "f, line 1: profiles.a/b: must have a name of letters, digits, '_' and '-'."),
            ("[profiles.a]\nsevrer = 1", "f, line 2: profiles.a.sevrer: unknown setting. Did you mean server?"),
            ("[profiles.a.notices]\nby = []", "f, line 1: profiles.a.notices: can't be set in a profile."),
            ('[profiles.a]\nserver = "x"', "f, line 2: profiles.a.server: must be the address of a server, not 'x'."),
            (
                'profile = "wrok"\n[profiles.work]',
                "f, line 1: profile: no profile 'wrok'. Did you ",
            ),
            (
                '[keys]\nquit = "hyper+q"',
                "f, line 2: keys.quit: unknown key 'hyper+q'. Examples of keys: ctrl+k",
            ),
            ("a = ", "f, line 1: invalid TOML: invalid value."),
            ("ok = 1\na = [1,\n", "f, line 2: invalid TOML: "),
            ("a = 1\na = 2", "f, line 2: invalid TOML: cannot overwrite a value."),
            ("a = " + "9" * 5000, "f: invalid TOML."),
            ("a = " + "[" * 5000, "f: invalid TOML."),
        ],
    )
    def test_a_problem_is_reported_with_its_line(self, text: str, sentence: str) -> None:
        (problem,) = problems_of(text)
        assert problem.startswith(sentence)

    def test_all_problems_are_reported_at_once(self) -> None:
        assert len(problems_of("keyring = 1\nroom = 1\n[notices]\nby = 1\nx = 1\n[profiles.a]\nroom = 1")) == 5

    def test_an_unknown_profile_from_the_command_line_is_reported(self) -> None:
        assert problems_of(FILE, overrides=CliOverrides(profile="wrok")) == [
            "--profile: no profile 'wrok'. Did you mean work?"
        ]

    def test_an_invalid_server_from_the_command_line_is_reported(self) -> None:
        (problem,) = problems_of("", overrides=CliOverrides(server="chat.example.org"))
        assert problem.startswith(
            "--server: must be the address of a server, not 'chat.example.org'. Did you mean https://chat."
        )

    def test_valid_values_are_kept_despite_problems(self) -> None:
        parsed = parse('theme = "light"\nroom = 7', {})
        assert (parsed.config.theme, parsed.config.room) == ("light", "general")

    def test_problems_are_safe_for_a_terminal(self) -> None:
        (problem,) = problems_of('"\\u001b]0;x\\u0007" = 1')
        assert problem == "f, line 1: ␛]0;x␇: unknown setting."


class TestPasswordCommand:
    """The password of one server is never sent to another."""

    FILE = 'server = "https://a.example.org"\nusername = "ada"\npassword_command = "pass a"\n'

    def test_the_password_command_is_for_the_server_of_its_layer(self) -> None:
        assert config(self.FILE).password_command == ("pass", "a")
        assert config(self.FILE, server="https://a.example.org").password_command == ("pass", "a")

    def test_the_password_command_is_not_for_a_server_set_elsewhere(self) -> None:
        assert config(self.FILE, server="https://evil.example.org").password_command == ()
        parsed = parse(self.FILE, {"CHATTERBOX_SERVER": "https://b.example.org"})
        assert parsed.config.password_command == ()
        assert parsed.origins["password_command"] == "unset: the one from file, line 3 is for another server or user"

    def test_the_password_command_is_not_for_the_server_of_a_profile(self) -> None:
        text = self.FILE + '[profiles.b]\nserver = "https://b.example.org"\n'
        assert config(text, profile="b").password_command == ()

    def test_a_profile_can_have_its_own_password_command(self) -> None:
        text = self.FILE + '[profiles.b]\nserver = "https://b.example.org"\npassword_command = ["pass", "b"]\n'
        assert config(text, profile="b").password_command == ("pass", "b")

    def test_the_password_command_is_not_for_another_user(self) -> None:
        text = self.FILE + '[profiles.b]\nusername = "bob"\n'
        assert config(text, profile="b").password_command == ()

    def test_a_password_command_without_a_username_is_for_every_user(self) -> None:
        text = 'password_command = "pass"\n[profiles.b]\nusername = "bob"\n'
        assert config(text, profile="b").password_command == ("pass",)


VALUES = st.recursive(
    st.sampled_from(["1", "-1", "nan", "true", '"x"', '""', '"https://a.example"', "1979-05-27", '"all"', '"\\u001b"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda entries: f"[{', '.join(entries)}]")
        | inner.map(lambda entry: f"{{ops = {entry}}}")
    ),
    max_leaves=4,
)
NAMES = st.sampled_from([*KEYS, "profiles.a.server", "profiles.a", "keys.quit", "notices", "profiles", "thme", '"."'])
TEXTS = st.lists(st.tuples(NAMES, VALUES).map(" = ".join) | NAMES.map(lambda name: f"[{name}]"), max_size=8)


class TestAnyInput:
    @given(st.text())
    def test_any_text_gives_a_configuration_or_problems(self, text: str) -> None:
        check_result(parse(text, {}))

    @given(
        TEXTS.map("\n".join),
        st.dictionaries(st.sampled_from(["CHATTERBOX_SERVER", "CHATTERBOX_CLIENT_ROOM"]), st.text()),
    )
    def test_any_keys_and_values_give_a_configuration_or_problems(self, text: str, environ: dict[str, str]) -> None:
        check_result(parse(text, environ, CliOverrides(profile="a"), {"quit": DefaultKeys(("ctrl+q",))}))


def check_result(parsed: ParsedConfig) -> None:
    """Check that values are valid and problems can be printed."""
    for problem in parsed.problems:
        sentence = problem.sentence("f")
        assert sentence.isprintable()
        assert sentence[-1] in ".?"
    for name, value in values_of(parsed.config).items():
        row = KEYS[name]
        if not row.info.is_table:
            assert row.info.kind.check(list(value) if isinstance(value, tuple) else value) == value
