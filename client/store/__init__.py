"""The client's files on disk: outbox, login session, name cache, positions of `tail`."""
