"""Rows about other users: presence, typing, receipts, profiles, and whose presence is wanted. Pure."""
