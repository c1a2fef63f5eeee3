"""Slash commands about other users and about oneself."""
