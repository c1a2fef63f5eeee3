"""Erasure: removes the texts of deleted and edited messages from every file, and keeps them out of restored backups."""
