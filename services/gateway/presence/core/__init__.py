"""Pure rules of presence and typing."""
