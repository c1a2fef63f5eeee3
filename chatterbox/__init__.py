"""Chatterbox: code shared by its processes. `wire` defines the contracts between them, `chassis` the infrastructure."""

__version__ = "0.1.0"
