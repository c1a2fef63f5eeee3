"""Encrypted rooms: their member logs, as this user verified them, and commands that add to them."""
