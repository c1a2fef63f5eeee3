"""What is being typed: completion, pickers, fuzzy matching. Pure."""
