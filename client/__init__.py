"""The terminal client: a pure core (state, streams, outbox order), thin I/O around it, and faces that show it."""
