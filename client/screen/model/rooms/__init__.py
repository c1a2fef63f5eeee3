"""Rooms on the screen: what is loaded, read, written and listed. Pure."""
