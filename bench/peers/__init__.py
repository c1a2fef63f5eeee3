"""Other servers in the same rounds: what people write by hand, and what they install."""
