"""What each row of the screen says: messages, lists, status line. Pure."""
