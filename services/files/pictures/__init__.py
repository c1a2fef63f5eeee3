"""Pictures: decoded only in a child process with limits."""
