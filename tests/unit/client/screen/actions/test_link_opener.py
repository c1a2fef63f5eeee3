"""Which program opens a link."""

from collections.abc import Callable, Mapping

import pytest

from client.screen.actions.link_opener import choose_browser
from tests.unit.client.screen.harness import message_note, running_screen

DISPLAY = {"DISPLAY": ":0"}


def installed(*programs: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


@pytest.mark.parametrize(
    ("configured", "environ", "platform", "programs", "command", "in_terminal"),
    [
        ((), DISPLAY, "linux", ["xdg-open", "w3m"], ("xdg-open",), False),
        ((), {"WAYLAND_DISPLAY": "w"}, "linux", ["firefox"], ("firefox",), False),
        ((), {}, "linux", ["xdg-open", "w3m"], ("w3m",), True),
        ((), {}, "darwin", ["open", "lynx"], ("open",), False),
        ((), {"WSL_DISTRO_NAME": "u"}, "linux", ["wslview"], ("wslview",), False),
        ((), {"BROWSER": "missing:lynx -nopause"}, "linux", ["lynx"], ("lynx", "-nopause"), True),
        ((), {**DISPLAY, "BROWSER": "'"}, "linux", ["gio"], ("gio", "open"), False),
        (("firefox", "--new-tab"), {"BROWSER": "lynx"}, "linux", ["lynx"], ("firefox", "--new-tab"), False),
        (("/usr/bin/w3m",), DISPLAY, "linux", ["xdg-open"], ("/usr/bin/w3m",), True),
    ],
)
def test_configured_program_comes_first_then_browser_variable_then_graphical_then_text_browsers(
    configured: tuple[str, ...],
    environ: Mapping[str, str],
    platform: str,
    programs: list[str],
    command: tuple[str, ...],
    in_terminal: bool,
) -> None:
    browser = choose_browser(configured, environ, platform, installed(*programs))
    assert browser is not None
    assert (browser.command, browser.in_terminal) == (command, in_terminal)


def test_no_browser_is_chosen_if_none_is_installed() -> None:
    assert choose_browser((), DISPLAY, "linux", installed()) is None


def test_address_is_appended_or_replaces_its_place() -> None:
    appended = choose_browser(("firefox", "-P", "chat"), {})
    placed = choose_browser(("app", "--url=%s", "--new"), {})
    assert appended is not None
    assert placed is not None
    assert appended.arguments("https://a.example") == ["firefox", "-P", "chat", "https://a.example"]
    assert placed.arguments("https://a.example") == ["app", "--url=https://a.example", "--new"]


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (("true",), " Opened with true."),
        (("false",), " false failed (status 1); the link was not opened."),
        (("/no/such/program",), " Can't start program: No such file or directory."),
    ],
)
async def test_result_of_opening_a_link_is_what_the_program_says(command: tuple[str, ...], result: str) -> None:
    async with running_screen() as ui:
        ui.chat.use_open_command(command)
        await ui.show(message_note(4, content="see https://a.example/1"))
        await ui.press("alt+m", "o")
        await ui.app.workers.wait_for_complete()
        await ui.settle()
        assert ui.status().startswith(result)


async def test_without_a_browser_the_setting_that_names_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    async with running_screen() as ui:
        await ui.show(message_note(4, content="see https://a.example/1"))
        await ui.press("alt+m", "o")
        await ui.app.workers.wait_for_complete()
        await ui.settle()
        assert ui.status().startswith(" No browser found; open_command in the configuration names one.")
