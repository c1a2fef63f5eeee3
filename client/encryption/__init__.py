"""End-to-end encryption in the client: keys, who may read, and what is encrypted and decrypted."""
