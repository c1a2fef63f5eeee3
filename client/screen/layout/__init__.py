"""Lays out the state of the screen as rows of text: timeline, lists, heading, status line. Pure."""
