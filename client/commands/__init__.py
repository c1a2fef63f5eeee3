"""The work of each command of `chatterbox`."""
