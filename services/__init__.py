"""The three services, and the one process that holds them all."""
