"""Comparing keys: safety numbers, and verification by short strings. Pure."""
