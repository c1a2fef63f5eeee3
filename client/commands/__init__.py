"""The commands of `chatterbox`."""
