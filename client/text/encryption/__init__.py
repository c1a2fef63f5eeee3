"""What people read about encryption: messages, keys, verification. Pure."""
