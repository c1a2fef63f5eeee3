"""The contracts between processes: frames, tokens, events, errors, close codes, limits. Pure: no I/O, no clock."""
