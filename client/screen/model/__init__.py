"""State of the full screen, and the functions that change it. Pure."""
