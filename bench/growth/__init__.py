"""Growth of cost with stored messages, with members of a room, and with rooms of a connection."""
