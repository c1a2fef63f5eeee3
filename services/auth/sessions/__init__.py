"""Login sessions and the keys that sign their tokens."""
