"""Pure rules of end-to-end encryption: formats, checks and decisions. No clock, no randomness, no files."""
