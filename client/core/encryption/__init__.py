"""Pure: which rooms are encrypted, and how messages are encrypted before they are sent."""
