"""Notifications: which messages to report, at what rate, and how (terminal, desktop, command)."""
