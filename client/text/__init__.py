"""Text for terminals: sanitizing, wrapping, and the sentences shown to people."""
