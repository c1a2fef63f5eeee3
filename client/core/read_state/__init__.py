"""How far the user has read each room: what the server told, what this device knows, and how that is sent. Pure."""
