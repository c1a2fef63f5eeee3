"""Actions bound to keys, and their handlers."""
