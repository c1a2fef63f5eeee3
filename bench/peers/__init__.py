"""Peers: other servers that run in the same rounds."""
