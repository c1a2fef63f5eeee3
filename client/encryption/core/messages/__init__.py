"""What is inside encrypted messages, who gets their keys, and whether they stand where they belong."""
