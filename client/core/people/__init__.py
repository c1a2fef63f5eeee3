"""Presence, profiles, typing and receipts in the client's core."""
