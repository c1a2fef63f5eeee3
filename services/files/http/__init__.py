"""Routes of the files service."""
