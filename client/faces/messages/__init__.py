"""Messages that a line-based face has printed: kept for changes, and named by their time or number."""
