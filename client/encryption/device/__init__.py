"""The user's devices and keys, and those of others: setup, device lists, trust, recovery and key backup."""
