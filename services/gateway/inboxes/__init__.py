"""Pushes the to-device messages of inboxes to the connections that opened them."""
