"""Takes the mouse from the terminal, or gives it back, while Textual runs."""

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver


def use_mouse(driver: Driver | None, *, uses: bool) -> None:
    """Report mouse events to the client, or let the terminal select text. A driver without a terminal has no mouse.

    Textual has no public API for it while it runs. The driver's flag also decides what it does after a suspend.
    """
    if not isinstance(driver, LinuxDriver):
        return
    if uses:
        driver._mouse = True  # noqa: SLF001
        driver._enable_mouse_support()  # noqa: SLF001
    else:
        driver._disable_mouse_support()  # noqa: SLF001
        driver._mouse = False  # noqa: SLF001
