"""Live connections: welcome, commands, the registry of connections and members."""
