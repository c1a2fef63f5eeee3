"""Text for terminals: sanitizing, line wrapping, and the sentences that people read."""
