"""Live connections: welcome, commands, and the registry of connections and users."""
