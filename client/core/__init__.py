"""The client's pure core: a reducer that takes events and returns the new state and effects."""
