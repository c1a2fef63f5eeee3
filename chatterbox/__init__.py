"""Chatterbox: what its processes share. `wire` is the contract between them, `chassis` what they stand on."""

__version__ = "0.1.0"
