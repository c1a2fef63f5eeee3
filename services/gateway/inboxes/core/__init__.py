"""Pure rules of inboxes: which connection is pushed what."""
