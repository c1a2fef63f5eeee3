"""The key store on disk."""
