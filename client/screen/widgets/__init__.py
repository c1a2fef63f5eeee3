"""Textual widgets of the full screen."""
