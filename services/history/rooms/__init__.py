"""Rooms: queries, membership changes, topics."""
