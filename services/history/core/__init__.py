"""Pure rules: which messages of a batch are stored, and at which offsets."""
