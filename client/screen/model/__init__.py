"""The screen's state and how notes and actions change it. Pure."""
