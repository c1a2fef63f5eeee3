"""Keys on their way: who can read a room, to whom a session was given, to-device messages and inboxes."""
