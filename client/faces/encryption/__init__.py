"""Slash commands about keys, for every face."""
