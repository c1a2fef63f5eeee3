"""Text input: completion, line editing, cleaning of pasted text, fuzzy matching. Pure."""
