"""The table's actions as Textual's bindings."""

from collections.abc import Mapping

from textual.binding import Binding

from client.screen.actions import Action, Where


def bindings(actions: Mapping[str, Action], *where: Where) -> list[Binding]:
    """The bindings of these parts of the table; they come before those of Textual's own widgets."""
    wanted = [action for action in actions.values() if action.where in where and action.keys]
    return [Binding(action.keys, f"do('{action.name}')", action.help, show=False, priority=True) for action in wanted]
