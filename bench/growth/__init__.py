"""How cost grows: with stored messages, with a room's members, with the rooms that somebody is in."""
