"""The commands about keys: `chatterbox keys ...` and `chatterbox decrypt`."""
