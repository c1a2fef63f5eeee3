"""The pure client core: events in, new state and effects out."""
