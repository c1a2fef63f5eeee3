"""The configuration: its keys, files, themes and key bindings."""
