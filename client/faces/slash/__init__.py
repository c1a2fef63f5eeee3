"""Slash commands: the table of them, parsing, and carrying out the local ones."""
