"""Takes the mouse from the terminal, or gives it back, while Textual runs."""

from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


class MouseCapture:
    """Whether mouse events are reported to the client; if not, the terminal selects text."""

    def __init__(self, *, is_used: bool) -> None:
        self.is_used = is_used

    def use(self, app: App[Any], *, uses: bool) -> bool:
        """Take the mouse, or leave it to the terminal; return whether it is taken now.

        Textual has no public API for it while it runs. The driver's flag also decides what it does after a suspend. A
        driver without a terminal has no mouse.
        """
        driver, changes = app._driver, uses != self.is_used  # noqa: SLF001 - the access to the terminal
        self.is_used = uses
        if changes and isinstance(driver, LinuxDriver):
            if uses:
                driver._mouse = True  # noqa: SLF001
                driver._enable_mouse_support()  # noqa: SLF001
            else:
                driver._disable_mouse_support()  # noqa: SLF001
                driver._mouse = False  # noqa: SLF001
        return uses
