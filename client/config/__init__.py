"""The configuration: settings and their types, files, environment, profiles, themes and key bindings."""
