"""Actions of the full screen: the table of actions and keys, and a handler for each."""
