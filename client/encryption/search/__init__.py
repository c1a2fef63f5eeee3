"""Search in encrypted conversations, on this computer alone: the server can't search what it can't read."""
