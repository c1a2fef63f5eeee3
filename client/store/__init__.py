"""Files on disk: outbox, session, name cache, tail positions."""
