"""Desktop and terminal notifications."""
