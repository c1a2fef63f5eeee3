"""Pictures in the terminal: decoded by a child process, drawn as the terminal can."""
