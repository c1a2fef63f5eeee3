"""Pure rules of end-to-end encryption: uploads of keys, new device lists, which encrypted messages are stored."""
