"""Sums over all rooms of the screen, kept up to date by the rooms, so that no draw has to visit each of them. Pure."""

from dataclasses import dataclass


@dataclass
class Totals:
    """What the rooms count together."""

    unread: int = 0
    catch_up: int = 0
    """Messages missed while offline that are still to come."""
    replaced: int = 0
    """How often a message was replaced by a later state of it."""
    forgotten: int = 0
    """How often a text of the user was removed from the input history, because its message was erased or edited."""

    def add_unread(self, more: int) -> None:
        self.unread += more

    def add_catch_up(self, more: int) -> None:
        self.catch_up += more

    def count_replaced(self) -> None:
        self.replaced += 1

    def count_forgotten(self) -> None:
        self.forgotten += 1
