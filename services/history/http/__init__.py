"""The HTTP API of history: public, internal and health routes."""
